#include "protocol/postgres/backend_half.hpp"

#include "protocol/postgres/message.hpp"
#include "protocol/wire/byte_reader.hpp"

namespace protocol::postgres {

ParameterPointer with_status(const ParameterMap& parameters, ByteView payload) {
  ByteReader reader(payload);
  const std::string name(reader.read_text_z());
  const std::string value(reader.read_text_z());
  if (!reader.ok()) return nullptr;
  auto changed = std::make_shared<ParameterMap>(parameters);
  changed->insert_or_assign(name, value);
  return changed;
}

/// Source: PostgreSQL 15 manual 55.2.7, the parameters that are reported; the last two are from version 14 on.
ServerTraits PostgresBackendHalf::traits() const {
  const auto value_of = [this](const char* name) {
    const auto place = parameters->find(name);
    return place == parameters->end() ? std::string() : place->second;
  };
  return {value_of("server_version"), value_of("in_hot_standby") == "on", value_of("default_transaction_read_only") == "on"};
}

/// Source: PostgreSQL 15 manual 55.2.7: what may come at any time.
Result<std::size_t> PostgresBackendHalf::absorb_idle(ByteView unread) {
  std::size_t used = 0;
  while (true) {
    const ByteView rest = unread.subspan(used);
    const std::optional<FrameHeader> header = scan_frame_header(rest);
    if (!header || (header->length >= frame_length_min && rest.size() < header->frame_bytes())) return used;
    const auto tag = static_cast<BackendMessage>(header->tag);
    const bool is_expected = tag == BackendMessage::parameter_status || tag == BackendMessage::notice_response ||
                             tag == BackendMessage::notification_response;
    if (!is_expected || header->length < frame_length_min) {
      return failure(ErrorCode::backend_lost, Blame::backend, "an idle connection was ended");
    }
    if (tag == BackendMessage::parameter_status) {
      const ByteView payload = rest.first(header->frame_bytes()).subspan(frame_header_bytes);
      if (ParameterPointer changed = with_status(*parameters, payload)) parameters = std::move(changed);
    }
    used += header->frame_bytes();
  }
}

}  // namespace protocol::postgres
