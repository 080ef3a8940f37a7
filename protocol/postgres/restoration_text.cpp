#include "protocol/postgres/restoration_text.hpp"

namespace protocol::postgres {

namespace {

constexpr std::size_t proven_texts_max = 1024;
constexpr std::size_t proven_bytes_max = std::size_t{128} << 10;
/// Longer texts are rare, and would drive out the others.
constexpr std::size_t proven_text_bytes_max = 1024;

}  // namespace

void ProvenTexts::insert(std::string_view text) {
  if (text.size() > proven_text_bytes_max || contains(text)) return;
  if (texts_.size() >= proven_texts_max || bytes_ + text.size() > proven_bytes_max) {
    texts_.clear();
    bytes_ = 0;
  }
  texts_.emplace(text);
  bytes_ += text.size();
}

void RestorationText::begin(const ProvenTexts* proven) {
  proven_ = proven;
  sql_.clear();
  statements_.clear();
  is_certain_ = true;
}

void RestorationText::end_statement(Certainty certainty) {
  const std::size_t begin = statements_.empty() ? 0 : statements_.back().end + 1;
  const std::string_view statement = std::string_view(sql_).substr(begin);
  switch (certainty) {
    case Certainty::certain: break;
    case Certainty::provable: is_certain_ = is_certain_ && proven_ != nullptr && proven_->contains(statement); break;
    case Certainty::never: is_certain_ = false; break;
  }
  statements_.push_back(Statement{begin, sql_.size(), certainty});
  sql_ += ';';
}

void RestorationText::add(std::string_view statement, Certainty certainty) {
  next_statement() += statement;
  end_statement(certainty);
}

void RestorationText::prove(ProvenTexts& proven) const {
  for (const Statement& statement : statements_) {
    if (statement.certainty != Certainty::provable) continue;
    proven.insert(std::string_view(sql_).substr(statement.begin, statement.end - statement.begin));
  }
}

}  // namespace protocol::postgres
