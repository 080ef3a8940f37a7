#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

/// Runs a fuzz target over its corpus without a fuzzer: every file whole, cut short at many places, and with the byte
/// at each of these places changed. A broken property aborts, as under the fuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

/// Every place of a file would take minutes in the dearest targets; these are spread evenly.
constexpr std::size_t places_max = 100;

using Input = std::vector<std::uint8_t>;

void run(const Input& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

std::size_t run_variations(const Input& input) {
  const std::size_t stride = input.size() / places_max + 1;
  std::size_t run_count = 0;
  Input changed = input;
  for (std::size_t i = 0; i < input.size(); i += stride) {
    run(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(i)));
    const std::uint8_t before = changed[i];
    for (const int value : {0, 0xFF, before ^ 1, before ^ 0x80}) {
      changed[i] = static_cast<std::uint8_t>(value);
      run(changed);
    }
    changed[i] = before;
    run_count += 5;
  }
  return run_count;
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::size_t file_count = 0;
  std::size_t run_count = 0;
  for (int i = 1; i < argument_count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const Input input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      ++file_count;
      run(input);
      run_count += 1 + run_variations(input);
    }
  }
  std::printf("%zu files, %zu runs\n", file_count, run_count);
  return file_count == 0 ? 1 : 0;  // an empty corpus proves nothing
}
