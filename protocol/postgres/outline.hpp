#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace protocol::postgres {

/// The outline of `text`: every plain integer as 0, every plain string as '', and everything else as it is. One pass
/// without a lexer: most of what an application sends again and again differs in just these. An outline is itself a
/// text of the same normal form (see fingerprint.hpp), so what may be shared by normal form may be shared by outline.
///
/// It lies in `target`. Nullopt where `text` is longer than that, or where single bytes do not tell: comments, quoted
/// names, dollar quotes, strings with a prefix or a backslash, names beyond ASCII, a string without an end.
/// Source: PostgreSQL 15 manual 4.1 "Lexical Structure".
[[nodiscard]] std::optional<std::string_view> write_outline(std::string_view text, std::span<char> target);

}  // namespace protocol::postgres
