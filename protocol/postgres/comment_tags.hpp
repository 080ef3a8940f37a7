#pragma once

#include "protocol/statement.hpp"

#include <cstddef>
#include <string_view>

namespace protocol::postgres {

/// Bounds of what is kept from comments; what is beyond them is left out.
inline constexpr std::size_t comment_tags_max = 32;
inline constexpr std::size_t comment_tag_key_bytes_max = 64;
inline constexpr std::size_t comment_tag_value_bytes_max = 256;

/// Appends the tags of one block comment, delimiters included: `/*key='value',k2='v2'*/` with URL encoding
/// and
/// `\'` for a quote, or `/* crossfade:key=value crossfade:k2=v2 */`. A comment that is neither adds nothing.
/// Source: the sqlcommenter specification, "SQL commenter" 1.0: key-value format and affixing.
void append_comment_tags(std::string_view comment, CommentTags& tags);

/// The tags of the comments in `blank`, a piece of text that holds comments, blanks and semicolons only.
void append_tags_of(std::string_view blank, CommentTags& tags);

}  // namespace protocol::postgres
