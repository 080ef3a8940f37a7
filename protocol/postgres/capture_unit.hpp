#pragma once

#include "protocol/capture.hpp"
#include "protocol/mirror_unit.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace protocol::postgres {

/// Collects what a transaction has written, with its savepoints. Bounded: beyond `bytes_max` it keeps only the names.
class UnitBuilder {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;

  explicit UnitBuilder(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void add(UnitItem item, std::size_t bytes, const std::vector<std::string>& tables);
  void note(UnmirroredWrite write);
  void set_transaction_id(std::string_view number) { unit_.transaction_id = number; }
  /// Those of all its items: false when some are there that were written under others. More than theirs is fine: they did not need it.
  [[nodiscard]] bool set_settings(Settings settings);
  void set_last_write_done(std::uint64_t reading) { unit_.last_write_done = reading; }

  void savepoint(std::string_view name);
  void release(std::string_view name);
  void roll_back_to(std::string_view name);

  [[nodiscard]] const std::vector<std::string>& tables() const { return tables_; }
  [[nodiscard]] bool has_items() const { return !unit_.items.empty(); }
  [[nodiscard]] bool has_notes() const { return !notes_.empty(); }
  /// The reason of the first; precondition: there is one.
  [[nodiscard]] const std::string& first_note() const { return notes_.front().reason; }
  [[nodiscard]] bool is_too_large() const { return bytes_ > bytes_max_; }
  [[nodiscard]] bool has_transaction_id() const { return !unit_.transaction_id.empty(); }
  /// Empties it. Of one that is too large, nothing is left to carry, and a note says so.
  [[nodiscard]] MirrorUnit take();
  [[nodiscard]] std::vector<UnmirroredWrite> take_notes();
  void reset();

 private:
  struct Mark {
    std::string name;
    std::size_t items;
    std::size_t notes;
  };
  [[nodiscard]] std::vector<Mark>::iterator find_mark(std::string_view name);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  MirrorUnit unit_;
  std::vector<UnmirroredWrite> notes_;
  std::vector<Mark> marks_;
  std::vector<std::string> tables_;  ///< of everything that was added
};

}  // namespace protocol::postgres
