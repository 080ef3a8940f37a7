#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <cstdint>
#include <memory>
#include <string>

namespace protocol::postgres {

/// The syntax tree of a text by PostgreSQL's own grammar, or none. Lifetime: what root() lends is the tree's.
class SyntaxTree {
 public:
  explicit SyntaxTree(const std::string& text) : serialised_(pg_query_parse_protobuf(text.c_str())) {
    if (serialised_.error != nullptr) return;
    root_.reset(
        pg_query__parse_result__unpack(nullptr, serialised_.parse_tree.len,
                                       reinterpret_cast<const std::uint8_t*>(serialised_.parse_tree.data)));
  }
  SyntaxTree(const SyntaxTree&) = delete;
  SyntaxTree& operator=(const SyntaxTree&) = delete;
  ~SyntaxTree() { pg_query_free_protobuf_parse_result(serialised_); }

  [[nodiscard]] const PgQuery__ParseResult* root() const { return root_.get(); }

 private:
  struct Free {
    void operator()(PgQuery__ParseResult* root) const {
      pg_query__parse_result__free_unpacked(root, nullptr);
    }
  };
  PgQueryProtobufParseResult serialised_;
  std::unique_ptr<PgQuery__ParseResult, Free> root_;
};

}  // namespace protocol::postgres
