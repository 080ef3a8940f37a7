#pragma once

#include "protocol/base/result.hpp"
#include "proxy/switchover/authority_record.hpp"
#include "proxy/switchover/durable_file.hpp"

#include <optional>
#include <string>

namespace proxy::switchover {

/// Where the authority of one pair is kept, durably.
class StateFile {
 public:
  /// `folder` is there.
  StateFile(const std::string& folder, const std::string& pair) : file_(folder, pair + ".authority") {}

  [[nodiscard]] const std::string& path() const { return file_.path(); }
  /// Nothing: there is no file. Errors: configuration_invalid when there is one that cannot be read or is damaged.
  [[nodiscard]] protocol::Result<std::optional<AuthorityRecord>> read() const;
  using Written = DurableFile::Written;
  [[nodiscard]] Written write(const AuthorityRecord& record) const;
  /// Brings `record` to the disk beside the file, so that publish() of the same has less to wait for. Failures show there.
  void prepare(const AuthorityRecord& record);
  /// As write(), at once where `record` was prepared.
  [[nodiscard]] Written publish(const AuthorityRecord& record);

 private:
  DurableFile file_;
  std::optional<AuthorityRecord> prepared_;
};

}  // namespace proxy::switchover
