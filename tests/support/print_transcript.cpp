#include "tests/support/postgres_transcript.hpp"

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

/// Reads a capture from standard input, one piece per line (`> 0a0b` or `< 0a0b`, hexadecimal; `> (closed)`), and
/// prints it as a transcript. The recorder's other half.
namespace {

protocol::Bytes bytes_from_hex(const std::string& hex) {
  protocol::Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

void print(std::istream& capture) {
  tests::support::TranscriptDecoder decoder;
  for (std::string line; std::getline(capture, line);) {
    if (line.size() < 3 || line[0] == '#' || line.ends_with("(closed)")) {
      std::puts(line.c_str());
      continue;
    }
    const auto direction = line[0] == '>' ? tests::support::Direction::to_server : tests::support::Direction::to_client;
    for (const std::string& text : decoder.feed(direction, bytes_from_hex(line.substr(2)))) std::puts(text.c_str());
  }
  if (!decoder.is_empty()) std::puts("# half a message is left over");
}

}  // namespace

int main() {
  try {
    print(std::cin);
    return 0;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
    return 1;
  }
}
