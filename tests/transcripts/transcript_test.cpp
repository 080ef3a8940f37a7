#include "tests/support/postgres_transcript.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

using tests::support::Direction;
using tests::support::TranscriptDecoder;
using tests::support::TranscriptLine;

std::vector<std::filesystem::path> transcript_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CROSSFADE_TRANSCRIPTS "/postgres")) {
    if (entry.path().extension() == ".trace") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> texts_of(const std::vector<TranscriptLine>& lines) {
  std::vector<std::string> texts;
  for (const TranscriptLine& line : lines) {
    if (!line.is_close()) texts.push_back(line.text);
  }
  return texts;
}

/// A run of bytes that one end sends before the other one speaks.
struct Turn {
  Direction direction;
  protocol::Bytes bytes;
};

std::vector<Turn> turns_of(const std::vector<TranscriptLine>& lines) {
  std::vector<Turn> turns;
  for (const TranscriptLine& line : lines) {
    if (line.is_close()) continue;
    if (turns.empty() || turns.back().direction != line.direction) turns.push_back({line.direction, {}});
    protocol::append(turns.back().bytes, line.bytes);
  }
  return turns;
}

/// Feeds every turn in pieces that end where `cuts` says, counted from the start of the turn.
std::vector<std::string> decode_in_pieces(const std::vector<Turn>& turns, const std::vector<std::vector<std::size_t>>& cuts) {
  TranscriptDecoder decoder;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    std::size_t begin = 0;
    const auto feed_to = [&](std::size_t end) {
      const protocol::ByteView piece = protocol::ByteView(turns[i].bytes).subspan(begin, end - begin);
      for (std::string& text : decoder.feed(turns[i].direction, piece)) texts.push_back(std::move(text));
      begin = end;
    };
    for (const std::size_t cut : cuts[i]) feed_to(cut);
    feed_to(turns[i].bytes.size());
  }
  CHECK(decoder.is_empty());
  return texts;
}

}  // namespace

TEST_CASE("transcripts: every file → its bytes decode to its text") {
  const auto files = transcript_files();
  REQUIRE(!files.empty());
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const auto lines = tests::support::load_transcript(file.string());
    const auto turns = turns_of(lines);
    CHECK(decode_in_pieces(turns, std::vector<std::vector<std::size_t>>(turns.size())) == texts_of(lines));
  }
}

TEST_CASE("transcripts: every file cut at each single byte → the same frames") {
  for (const auto& file : transcript_files()) {
    CAPTURE(file.filename().string());
    const auto lines = tests::support::load_transcript(file.string());
    const auto turns = turns_of(lines);
    const auto texts = texts_of(lines);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      for (std::size_t cut = 0; cut <= turns[i].bytes.size(); ++cut) {
        std::vector<std::vector<std::size_t>> cuts(turns.size());
        cuts[i] = {cut};
        if (decode_in_pieces(turns, cuts) != texts) FAIL_CHECK("turn ", i, " cut at byte ", cut);
      }
    }
  }
}

TEST_CASE("transcripts: every file cut at seeded sets of points → the same frames") {
  for (const auto& file : transcript_files()) {
    CAPTURE(file.filename().string());
    const auto lines = tests::support::load_transcript(file.string());
    const auto turns = turns_of(lines);
    const auto texts = texts_of(lines);
    for (unsigned seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      std::mt19937 generator(seed);
      std::vector<std::vector<std::size_t>> cuts(turns.size());
      for (std::size_t i = 0; i < turns.size(); ++i) {
        for (std::size_t cut = 0; cut < turns[i].bytes.size(); ++cut) {
          if (generator() % 4 == 0) cuts[i].push_back(cut);
        }
      }
      CHECK(decode_in_pieces(turns, cuts) == texts);
    }
  }
}

TEST_CASE("transcripts: a length that is not that of the bytes → refused") {
  CHECK_THROWS((void)tests::support::encode_line("> Sync(5)"));
  CHECK_THROWS((void)tests::support::encode_line("> Query(99) text=\"SELECT 1\""));
  CHECK_NOTHROW((void)tests::support::encode_line("> Query(13) text=\"SELECT 1\""));
}

TEST_CASE("transcripts: a mask → what may vary is gone, its length too") {
  CHECK(tests::support::mask("< BackendKeyData(12) process_id=~17 secret=~\"\\x00a b\\\"\"") == "< BackendKeyData process_id= secret=");
  CHECK(tests::support::mask("< ReadyForQuery(5) status=I") == "< ReadyForQuery(5) status=I");
}
