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
  if (!name.starts_with("login") && !name.starts_with("startup") && !name.starts_with("cancel_")) return;
  write_seed(corpus / "greeting", name, with_piece_size(0, from_client));
  write_seed(corpus / "backend_login", name, with_piece_size(0, from_server));
}

/// A SCRAM login that succeeds with the nonces and salts of the fuzz target.
void write_scram_seed(const std::filesystem::path& corpus) {
  CountingNonceSource nonces;
  ScramKeyCache cache;
  auto users = std::make_shared<UserDirectory>(nonces);
  if (!users->add_secret("scram", "pencil")) return;
  ScramServer server(users->find("scram").verifier, ScramServer::Kind::real, make_scram_nonce(nonces));
  ScramClient client("", "client");
  const auto challenge = server.accept_first(client.first());
  const auto response = client.respond(*challenge, "pencil", cache);
  Bytes bytes = bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]");
  append(bytes, encode_line("> SASLInitialResponse mechanism=\"SCRAM-SHA-256\" response=\"" + client.first() + "\"").bytes);
  append(bytes, encode_line("> SASLResponse response=\"" + *response + "\"").bytes);
  write_seed(corpus / "greeting", "scram_right", with_piece_size(0, bytes));
  write_seed(corpus / "greeting", "scram_right_in_pieces", with_piece_size(7, bytes));
  write_seed(corpus / "verifier", "stored", as_bytes(to_text(users->find("scram").verifier)));
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
    return 0;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
    return 1;
  }
}
