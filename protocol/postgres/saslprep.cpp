#include "protocol/postgres/saslprep.hpp"

#include <stringprep.h>

#include <string.h>

#include <algorithm>
#include <vector>

namespace protocol::postgres {

SecretText prepare_password(std::string_view password) {
  constexpr unsigned char ascii_max = 0x7F;
  const bool is_ascii = std::all_of(password.begin(), password.end(),
                                    [](char character) { return static_cast<unsigned char>(character) <= ascii_max; });
  // The server leaves these alone too, control characters included. A zero byte would end the text half way.
  if (is_ascii || password.find('\0') != std::string_view::npos) return SecretText(password);

  // One character may become up to eighteen (U+FDFA): RFC 3454's normalisation, NFKC.
  constexpr std::size_t growth_max = 18;
  std::vector<char> prepared(password.size() * growth_max + 1, '\0');
  std::copy(password.begin(), password.end(), prepared.begin());
  const int outcome = stringprep(prepared.data(), prepared.size(), STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
  const bool is_usable = outcome == STRINGPREP_OK && prepared.front() != '\0';
  SecretText result(is_usable ? std::string_view(prepared.data()) : password);
  explicit_bzero(prepared.data(), prepared.size());
  return result;
}

}  // namespace protocol::postgres
