#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace protocol::postgres {

/// Texts that one server has carried out for one login: they will not fail there the next time either. Compared in
/// full; bounded: when there are too many, all are forgotten and must prove themselves anew.
class ProvenTexts {
 public:
  [[nodiscard]] bool contains(std::string_view text) const { return texts_.find(text) != texts_.end(); }
  void insert(std::string_view text);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> texts_;
  std::size_t bytes_ = 0;
};

/// Whether a statement may be sent without waiting for what becomes of it.
enum class Certainty : std::uint8_t {
  certain,   ///< it cannot fail
  provable,  ///< where it has succeeded once it will succeed again
  never,     ///< it depends on what others may change: roles, tablespaces, tables
};

/// The SQL that brings one connection in line with a session, statement by statement. Its storage is used again.
class RestorationText {
 public:
  /// `proven` may be null, and outlives the use of the text: nothing is known of the server then.
  void begin(const ProvenTexts* proven);
  /// Where the next statement is to be appended, without its semicolon; end_statement() when it is whole.
  [[nodiscard]] std::string& next_statement() { return sql_; }
  void end_statement(Certainty certainty);
  void add(std::string_view statement, Certainty certainty);

  [[nodiscard]] const std::string& sql() const { return sql_; }
  [[nodiscard]] bool is_empty() const { return sql_.empty(); }
  /// All of it will succeed.
  [[nodiscard]] bool is_certain() const { return is_certain_; }
  /// All of it has succeeded.
  void prove(ProvenTexts& proven) const;

 private:
  struct Statement {
    std::size_t begin = 0;
    std::size_t end = 0;
    Certainty certainty = Certainty::never;
  };
  const ProvenTexts* proven_ = nullptr;
  std::string sql_;
  std::vector<Statement> statements_;
  bool is_certain_ = true;
};

}  // namespace protocol::postgres
