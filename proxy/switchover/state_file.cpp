#include "proxy/switchover/state_file.hpp"

#include <utility>

namespace proxy::switchover {

using routing::SwitchoverOutcome;

protocol::Result<std::optional<AuthorityRecord>> StateFile::read() const {
  const protocol::Result<std::optional<std::string>> text = file_.read();
  if (!text) return text.error();
  if (!*text) return std::optional<AuthorityRecord>();
  protocol::Result<AuthorityRecord> record = decode_record(**text);
  if (record) return std::optional<AuthorityRecord>(*std::move(record));
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                           path() + " is damaged: " + record.error().detail);
}

StateFile::Written StateFile::write(const AuthorityRecord& record) const { return file_.write(encode_record(record)); }

void StateFile::prepare(const AuthorityRecord& record) {
  prepared_.reset();
  if (file_.prepare(encode_record(record)).outcome == SwitchoverOutcome::done) prepared_ = record;
}

StateFile::Written StateFile::publish(const AuthorityRecord& record) {
  const bool is_prepared = prepared_ == record;
  prepared_.reset();
  return is_prepared ? file_.publish() : write(record);
}

}  // namespace proxy::switchover
