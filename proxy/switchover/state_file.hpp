#pragma once

#include "protocol/base/result.hpp"
#include "proxy/switchover/authority_record.hpp"
#include "routing/switchover.hpp"

#include <optional>
#include <string>

namespace proxy::switchover {

/// Where the authority of one pair is kept. A change is durable or has not happened: a new file is written and brought to
/// the disk, takes the old one's name, and the folder is brought to the disk.
/// Source: fsync(2), "does not necessarily ensure that the entry in the directory containing the file has also reached disk".
class StateFile {
 public:
  /// `folder` is there.
  StateFile(const std::string& folder, const std::string& pair) : folder_(folder), path_(folder + "/" + pair + ".authority") {}

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Nothing: there is no file. Errors: configuration_invalid when there is one that cannot be read or is damaged.
  [[nodiscard]] protocol::Result<std::optional<AuthorityRecord>> read() const;
  /// done; failed: what was there still is; in_doubt: either may be there after a crash.
  struct Written {
    routing::SwitchoverOutcome outcome = routing::SwitchoverOutcome::done;
    std::string words;  ///< of a failure
  };
  [[nodiscard]] Written write(const AuthorityRecord& record) const;
  /// Brings `record` to the disk beside the file, so that publish() of the same has less to wait for. Failures show there.
  void prepare(const AuthorityRecord& record);
  /// As write(), at once where `record` was prepared.
  [[nodiscard]] Written publish(const AuthorityRecord& record);

 private:
  [[nodiscard]] Written write_beside(const std::string& unfinished, const AuthorityRecord& record) const;
  [[nodiscard]] Written rename_over(const std::string& unfinished) const;
  [[nodiscard]] std::string prepared_path() const { return path_ + ".next"; }
  std::string folder_;
  std::string path_;
  std::optional<AuthorityRecord> prepared_;
};

}  // namespace proxy::switchover
