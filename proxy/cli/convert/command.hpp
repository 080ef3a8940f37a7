#pragma once

#include <iosfwd>
#include <string>

namespace proxy::cli {

/// `crossfade convert INI`: our YAML on `out` or in the file `target`, what was not carried over on `complaints`. The exit
/// code: done; refused when something was not carried over (the YAML is written all the same); configuration_invalid when
/// the ini cannot be read.
[[nodiscard]] int convert(const std::string& source, const std::string& target, std::ostream& out, std::ostream& complaints);

}  // namespace proxy::cli
