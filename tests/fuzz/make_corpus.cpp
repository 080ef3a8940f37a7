#include "protocol/postgres/greeting.hpp"
#include "protocol/postgres/scram.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/postgres_transcript.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

/// Writes the first seeds of the fuzzers from the golden transcripts:
///     make_fuzz_corpus tests/transcripts/postgres tests/fuzz/corpus
namespace {

using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

void write_seed(const std::filesystem::path& folder, const std::string& name, ByteView bytes) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << as_text(bytes);
}

Bytes with_piece_size(std::uint8_t piece_bytes, ByteView bytes) {
  Bytes seed{std::byte{piece_bytes}};
  append(seed, bytes);
  return seed;
}

/// Steps of the conversation fuzzer. Speaker: 0 client, 1 and 2 the backends, 3 nobody: the session shall move.
void append_step(Bytes& seed, unsigned speaker, ByteView said) {
  do {
    const std::size_t count = std::min<std::size_t>(said.size(), 255);
    seed.push_back(static_cast<std::byte>(speaker));
    seed.push_back(static_cast<std::byte>(count));
    append(seed, said.first(count));
    said = said.subspan(count);
  } while (!said.empty());
}

/// The conversation behind the login; with `moves`, the session changes sides after every reply that ends idle.
enum class Moves : std::uint8_t { none, after_replies };
Bytes conversation_seed(const std::vector<TranscriptLine>& lines, Moves moves) {
  Bytes seed;
  unsigned backend = 1;
  bool has_begun = false;
  for (const TranscriptLine& line : lines) {
    if (line.is_close()) continue;
    const bool is_ready = line.text == "< ReadyForQuery(5) status=I";
    if (has_begun) append_step(seed, line.direction == Direction::to_server ? 0 : backend, line.bytes);
    if (has_begun && is_ready && moves == Moves::after_replies) {
      append_step(seed, 3, {});
      backend = 3 - backend;
    }
    has_begun = has_begun || is_ready;
  }
  return seed;
}

void write_seeds_of(const std::filesystem::path& trace, const std::filesystem::path& corpus) {
  const std::string name = trace.stem().string();
  Bytes from_client;
  Bytes from_server;
  for (const TranscriptLine& line : load_transcript(trace.string())) {
    append(line.direction == Direction::to_server ? from_client : from_server, line.bytes);
    const bool is_packet = line.direction == Direction::to_server && !line.is_close() && line.bytes[0] == std::byte{0};
    if (is_packet) write_seed(corpus / "startup", name, line.bytes);
  }
  write_seed(corpus / "frames", name, from_server);
  const auto lines = load_transcript(trace.string());
  const Bytes conversation = conversation_seed(lines, Moves::none);
  if (conversation.size() > 20) {
    write_seed(corpus / "conversation", name, conversation);
    write_seed(corpus / "conversation", name + "_moving", conversation_seed(lines, Moves::after_replies));
  }
  if (!name.starts_with("login") && !name.starts_with("startup") && !name.starts_with("cancel_")) return;
  write_seed(corpus / "greeting", name, with_piece_size(0, from_client));
  write_seed(corpus / "backend_login", name, with_piece_size(0, from_server));
}

/// A session that takes a setting and a prepared statement along.
void write_restore_seed(const std::filesystem::path& corpus) {
  Bytes seed;
  append_step(seed, 0, bytes_of("> Query text=\"SET work_mem = '4MB'\""));
  append_step(seed, 1, bytes_of("< CommandComplete tag=\"SET\"\n< ReadyForQuery status=I"));
  append_step(seed, 0, bytes_of("> Parse statement=\"one\" text=\"SELECT 1\" types=[]\n> Sync"));
  append_step(seed, 1, bytes_of("< ParseComplete\n< ReadyForQuery status=I"));
  append_step(seed, 3, {});
  append_step(seed, 0, bytes_of("> Bind portal=\"\" statement=\"one\" formats=[] parameters=[] result_formats=[]\n"
                                "> Execute portal=\"\" rows_max=0\n> Sync"));
  append_step(seed, 2, bytes_of("< CommandComplete tag=\"SET\"\n< ReadyForQuery status=I"));
  append_step(seed, 2, bytes_of("< ParseComplete\n< BindComplete\n< DataRow values=[\"1\"]\n"
                                "< CommandComplete tag=\"SELECT 1\"\n< ReadyForQuery status=I"));
  write_seed(corpus / "conversation", "restore", seed);
}

/// A SCRAM login that succeeds with the nonces and salts of the fuzz target.
void write_scram_seed(const std::filesystem::path& corpus) {
  CountingNonceSource nonces;
  ScramKeyCache cache;
  auto users = std::make_shared<UserDirectory>(nonces);
  if (!users->add_secret("scram", "pencil")) return;
  ScramServer server(users->find("scram")->scram, ScramServer::Kind::real, make_scram_nonce(nonces));
  ScramClient client("", "client");
  const auto challenge = server.accept_first(client.first());
  const auto response = client.respond(*challenge, "pencil", cache);
  Bytes bytes = bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]");
  append(bytes, encode_line("> SASLInitialResponse mechanism=\"SCRAM-SHA-256\" response=\"" + client.first() + "\"").bytes);
  append(bytes, encode_line("> SASLResponse response=\"" + *response + "\"").bytes);
  write_seed(corpus / "greeting", "scram_right", with_piece_size(0, bytes));
  write_seed(corpus / "greeting", "scram_right_in_pieces", with_piece_size(7, bytes));
  write_seed(corpus / "verifier", "stored", as_bytes(to_text(users->find("scram")->scram)));
  write_seed(corpus / "verifier", "exchange", as_bytes(client.first() + "\n" + *response));
  write_seed(corpus / "verifier", "signature", as_bytes("v=" + encode_base64(sha256({}))));
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 3) return 2;
  try {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
      if (entry.path().extension() == ".trace") write_seeds_of(entry.path(), arguments[2]);
    }
    write_scram_seed(arguments[2]);
    write_restore_seed(arguments[2]);
    return 0;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
    return 1;
  }
}
