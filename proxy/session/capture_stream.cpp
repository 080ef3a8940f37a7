#include "proxy/session/capture_stream.hpp"

#include <algorithm>
#include <utility>

namespace proxy::session {

using mirror::Admittance;
using mirror::UnitOutcome;
using net::IoOutcome;
using net::IoState;
using protocol::ByteView;
using protocol::Capture;

CaptureStream::CaptureStream(std::unique_ptr<net::Stream> plain, std::unique_ptr<Capture> capture, const MirrorTerms& terms,
                             runtime::Loop& loop, Client client, ByteView received, protocol::Bytes unsent)
    : plain_(std::move(plain)),
      capture_(std::move(capture)),
      terms_(terms),
      loop_(loop),
      client_(std::move(client)),
      unsent_(std::move(unsent)),
      self_(std::make_shared<CaptureStream*>(this)) {
  plain_->set_listener(this);
  capture_->take_requests(received);
  carry();
}

CaptureStream::~CaptureStream() {
  stop_awaiting_follower();
  forsake_unit();
  *self_ = nullptr;
}

void CaptureStream::close() {
  forsake_unit();
  plain_->close();
}

/// The client is gone, or the backend: nobody will see how the transaction ends.
void CaptureStream::forsake_unit() {
  const std::shared_ptr<Link> link = std::exchange(link_, nullptr);
  if (link == nullptr) return;
  link->stream = nullptr;  // an admittance that comes now is answered by whoever hears it
  if (!is_recorded_) return;
  is_recorded_ = false;
  terms_.desk->settle(link->sequence, capture_->is_commit_under_way() ? UnitOutcome::in_doubt : UnitOutcome::rolled_back);
}

bool CaptureStream::is_readable() const {
  if (has_failed_ || requests_given_ < capture_->requests().size()) return true;
  if (has_client_left_) return !capture_->is_waiting();
  return plain_->is_readable() && may_receive();
}

/// While the capture waits, a little is received all the same: so a client that goes away is noticed.
bool CaptureStream::may_receive() const {
  constexpr std::size_t held_bytes_max = std::size_t{64} << 10;
  return !capture_->is_waiting() || capture_->held_bytes() < held_bytes_max;
}

IoOutcome CaptureStream::try_read(std::span<std::byte> target) {
  protocol::Bytes& requests = capture_->requests();
  if (requests_given_ == requests.size()) {
    requests.clear();
    requests_given_ = 0;
    if (has_failed_) return {IoState::failed, 0};
    // What came whole is answered first.
    if (has_client_left_) return capture_->is_waiting() ? IoOutcome{} : IoOutcome{IoState::end, 0};
    if (!may_receive()) return {};
    const IoOutcome outcome = plain_->try_read(target);
    if (outcome.state == IoState::failed) return outcome;
    has_client_left_ = outcome.state == IoState::end;
    if (has_client_left_) return capture_->is_waiting() ? IoOutcome{} : outcome;
    capture_->take_requests(ByteView(target.data(), outcome.bytes));
    carry();
  }
  const std::size_t bytes = std::min(target.size(), requests.size() - requests_given_);
  if (bytes == 0) return {};
  std::copy_n(requests.begin() + static_cast<std::ptrdiff_t>(requests_given_), bytes, target.begin());
  requests_given_ += bytes;
  if (requests_given_ == requests.size()) {
    requests.clear();
    requests_given_ = 0;
    constexpr std::size_t retained_bytes_max = 4096;
    if (requests.capacity() > retained_bytes_max) requests.shrink_to_fit();
  }
  return {IoState::done, bytes};
}

IoOutcome CaptureStream::try_write(const protocol::Gather& source, std::size_t skip) {
  const std::size_t taken = source.total_bytes() - skip;
  for (std::size_t i = 0; i < source.slice_count(); ++i) {
    const ByteView slice = source.slice(i);
    const std::size_t skipped = std::min(skip, slice.size());
    skip -= skipped;
    if (skipped < slice.size()) capture_->take_replies(slice.subspan(skipped));
  }
  carry();
  IoOutcome outcome = told();
  outcome.bytes = taken;
  return outcome;
}

IoOutcome CaptureStream::try_write(ByteView source) {
  capture_->take_replies(source);
  carry();
  IoOutcome outcome = told();
  outcome.bytes = source.size();
  return outcome;
}

IoOutcome CaptureStream::told() const { return {is_broken() ? IoState::failed : IoState::done, 0}; }

void CaptureStream::on_stream_ready() {
  send_replies();
  if (listener_ != nullptr) listener_->on_stream_ready();
}

/// What the capture has for others is brought to them, until there is nothing more.
void CaptureStream::carry() {
  for (protocol::UnmirroredWrite& write : capture_->take_unmirrored()) {
    has_unmirrored_ = true;
    terms_.desk->note_unmirrored(mirror::Unmirrored{client_.database, client_.user, std::move(write.tables), write.fingerprint,
                                                    std::move(write.reason)});
  }
  if (std::optional<protocol::MirrorUnit> unit = capture_->take_unit()) record(std::move(*unit));
  if (capture_->take_prepared()) note_prepared();
  if (const std::optional<Capture::End> end = capture_->take_end()) note_end(*end);
  send_replies();
  // Requests of the capture's own wait for whoever reads; nobody would say so again.
  if (requests_given_ < capture_->requests().size()) {
    loop_.defer([self = std::weak_ptr<CaptureStream*>(self_)] {
      const std::shared_ptr<CaptureStream*> stream = self.lock();
      if (stream != nullptr && *stream != nullptr && (*stream)->listener_ != nullptr) (*stream)->listener_->on_stream_ready();
    });
  }
}

void CaptureStream::record(protocol::MirrorUnit unit) {
  link_ = std::make_shared<Link>(Link{this});
  is_recorded_ = false;
  runtime::Loop& loop = loop_;
  mirror::Desk& desk = *terms_.desk;
  link_->sequence = desk.record(std::move(unit), [&loop, &desk, link = link_](Admittance admittance) {
    loop.post([&desk, link, admittance] {
      if (link->stream != nullptr) {
        link->stream->note_admittance(admittance);
      } else if (admittance == Admittance::recorded) {
        desk.settle(link->sequence, UnitOutcome::rolled_back);  // its COMMIT was never sent
      }
    });
  });
}

void CaptureStream::note_admittance(Admittance admittance) {
  is_recorded_ = admittance == Admittance::recorded;
  const std::string phase_name = is_recorded_ && terms_.capture.is_two_phase ? terms_.desk->phase_name(link_->sequence) : std::string();
  if (!is_recorded_) link_.reset();
  const bool is_refused = admittance == Admittance::refused || (admittance == Admittance::unmirrored && terms_.capture.is_two_phase);
  capture_->admit(is_refused ? Capture::Admission::refused : Capture::Admission::granted, phase_name);
  carry();
}

/// The authority has prepared the transaction; what becomes of it the mirror says, when the follower has, or has not.
void CaptureStream::note_prepared() {
  runtime::Loop& loop = loop_;
  terms_.desk->settle_prepared(link_->sequence, [&loop, self = std::weak_ptr<CaptureStream*>(self_)](
                                                    protocol::PhaseDecision decision, std::string cause) {
    loop.post([self, decision, cause = std::move(cause)] {
      const std::shared_ptr<CaptureStream*> stream = self.lock();
      if (stream == nullptr || *stream == nullptr) return;  // whoever ended it has told the mirror
      (*stream)->capture_->decide(decision, cause);
      (*stream)->carry();
    });
  });
}

void CaptureStream::note_end(Capture::End end) {
  if (!is_recorded_) {  // the mirror is broken off: nobody waits for it
    has_unmirrored_ = has_unmirrored_ || end != Capture::End::rolled_back;
    if (end != Capture::End::rolled_back) note_applied();
    return;
  }
  const std::shared_ptr<Link> link = std::exchange(link_, nullptr);
  is_recorded_ = false;
  if (end == Capture::End::rolled_back) {
    terms_.desk->settle(link->sequence, UnitOutcome::rolled_back);
    return;
  }
  last_unit_ = link->sequence;
  if (end == Capture::End::left || end == Capture::End::prepared) {
    terms_.desk->settle(link->sequence, UnitOutcome::in_doubt);
    if (end == Capture::End::prepared) note_applied();
    return;
  }
  if (!terms_.awaits_follower) {
    terms_.desk->settle(link->sequence, UnitOutcome::committed);
    note_applied();
    return;
  }
  runtime::Loop& loop = loop_;
  terms_.desk->settle_and_await(link->sequence, [&loop, self = std::weak_ptr<CaptureStream*>(self_)](bool) {
    loop.post([self] {
      const std::shared_ptr<CaptureStream*> stream = self.lock();
      if (stream == nullptr || *stream == nullptr) return;
      (*stream)->note_applied();
      (*stream)->carry();
    });
  });
}

void CaptureStream::note_applied() { capture_->acknowledge(); }

bool CaptureStream::await_follower() {
  if (has_unmirrored_) return false;
  runtime::Loop& loop = loop_;
  const std::uint64_t number = ++follower_wait_number_;
  follower_ticket_ = terms_.desk->await_applied(last_unit_, [&loop, number, self = std::weak_ptr<CaptureStream*>(self_)] {
    loop.post([number, self] {
      const std::shared_ptr<CaptureStream*> stream = self.lock();
      if (stream == nullptr || *stream == nullptr || (*stream)->follower_wait_number_ != number) return;
      (*stream)->follower_ticket_ = 0;
      if ((*stream)->listener_ != nullptr) (*stream)->listener_->on_stream_ready();
    });
  });
  return follower_ticket_ != 0;
}

void CaptureStream::stop_awaiting_follower() {
  if (follower_ticket_ == 0) return;
  ++follower_wait_number_;  // a call that is under way comes too late
  terms_.desk->stop_waiting(std::exchange(follower_ticket_, 0));
}

void CaptureStream::send_replies() {
  if (!unsent_.empty()) {
    if (!plain_->is_writable()) return;
    const std::size_t sent = send(unsent_);
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent));
  }
  protocol::Bytes& replies = capture_->replies();
  if (replies.empty()) return;
  std::size_t sent = 0;
  if (unsent_.empty()) sent = send(replies);
  protocol::append(unsent_, ByteView(replies).subspan(sent));
  replies.clear();
}

std::size_t CaptureStream::send(ByteView bytes) {
  const IoOutcome outcome = plain_->try_write(bytes);
  has_failed_ = has_failed_ || outcome.state == IoState::failed;
  return outcome.bytes;
}

}  // namespace proxy::session
