#include "protocol/postgres/encryption.hpp"

#include "protocol/postgres/startup.hpp"

namespace protocol::postgres {

void EncryptionRequest::begin(Bytes& to_send) const {
  (void)encode_startup_packet(SslRequest{}, to_send);  // nothing in it could be wrong
}

EncryptionRequest::Answer EncryptionRequest::judge(ByteView received) {
  if (received.empty()) return Answer::awaited;
  const char answer = std::to_integer<char>(received[0]);
  if (answer == 'S' && received.size() == 1) return Answer::accepted;
  if (answer == 'N') {
    if (wish_ == EncryptionWish::preferred) return Answer::declined;
    error_ = failure(ErrorCode::encryption_failed, Blame::operator_, "the backend does not accept TLS, and it is required");
    return Answer::failed;
  }
  // Bytes behind an S came unencrypted and would be taken for the server's (CVE-2021-23222). An ErrorResponse in
  // place of the answer could be anybody's too, so its words go nowhere.
  if (answer == 'S') {
    error_ = failure(ErrorCode::backend_misbehaved, Blame::backend, "unencrypted bytes behind the answer to an SSLRequest");
  } else if (answer == 'E') {
    error_ = failure(ErrorCode::encryption_failed, Blame::backend, "the backend answered an SSLRequest with an error");
  } else {
    error_ = failure(ErrorCode::backend_misbehaved, Blame::backend, "a senseless answer to an SSLRequest");
  }
  return Answer::failed;
}

DialogueProgress Ping::advance(ByteView received, Bytes& to_send) {
  if (!has_asked_) (void)encode_startup_packet(GssencRequest{}, to_send);  // nothing in it could be wrong
  has_asked_ = true;
  if (received.empty()) return {DialogueState::reading, 0};
  const char answer = std::to_integer<char>(received[0]);
  // E: a server before version 12, which takes the request for a version that it does not speak.
  if (answer == 'G' || answer == 'N' || answer == 'E') return {DialogueState::finished, 1};
  error_ = failure(ErrorCode::backend_misbehaved, Blame::backend, "a senseless answer to a GSSENCRequest");
  return {DialogueState::failed, 1};
}

DialogueProgress Cancellation::advance(ByteView received, Bytes& to_send) {
  if (step_ == Step::starting) {
    step_ = request_.is_wanted() ? Step::asking : Step::telling;
    if (step_ == Step::asking) request_.begin(to_send);
  }
  std::size_t consumed = 0;
  if (step_ == Step::asking) {
    switch (request_.judge(received)) {
      case EncryptionRequest::Answer::awaited: return {DialogueState::reading, 0};
      case EncryptionRequest::Answer::accepted: return {DialogueState::upgrading, 1};
      case EncryptionRequest::Answer::failed: return {DialogueState::failed, 0};
      case EncryptionRequest::Answer::declined: consumed = 1; break;
    }
  }
  append(to_send, cancel_bytes_);
  return {DialogueState::finished, consumed};
}

}  // namespace protocol::postgres
