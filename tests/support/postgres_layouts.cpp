#include "tests/support/postgres_layouts.hpp"

#include <algorithm>

namespace tests::support {
namespace {

constexpr Direction to_server = Direction::to_server;
constexpr Direction to_client = Direction::to_client;
constexpr Variation varies = Variation::varies;

std::vector<MessageLayout> startup_layouts() {
  using enum FieldKind;
  return {
      {"SSLRequest", to_server, '\0', (1234U << 16) | 5679, {}},
      {"GSSENCRequest", to_server, '\0', (1234U << 16) | 5680, {}},
      {"CancelRequest", to_server, '\0', (1234U << 16) | 5678, {{"process_id", number_32, varies}, {"secret", rest_text, varies}}},
      {"StartupMessage", to_server, '\0', {}, {{"major", number_16}, {"minor", number_16}, {"parameters", pairs}}},
      {"PasswordMessage", to_server, 'p', {}, {{"password", text_z, varies}}},
      {"SASLInitialResponse", to_server, 'p', {}, {{"mechanism", text_z}, {"response", value, varies}}},
      {"SASLResponse", to_server, 'p', {}, {{"response", rest_text, varies}}},
      {"AuthenticationOk", to_client, 'R', 0, {}},
      {"AuthenticationKerberosV5", to_client, 'R', 2, {}},
      {"AuthenticationCleartextPassword", to_client, 'R', 3, {}},
      {"AuthenticationMD5Password", to_client, 'R', 5, {{"salt", rest_text, varies}}},
      {"AuthenticationGSS", to_client, 'R', 7, {}},
      {"AuthenticationGSSContinue", to_client, 'R', 8, {{"body", rest_text}}},
      {"AuthenticationSSPI", to_client, 'R', 9, {}},
      {"AuthenticationSASL", to_client, 'R', 10, {{"mechanisms", names}}},
      {"AuthenticationSASLContinue", to_client, 'R', 11, {{"challenge", rest_text, varies}}},
      {"AuthenticationSASLFinal", to_client, 'R', 12, {{"outcome", rest_text, varies}}},
      {"NegotiateProtocolVersion", to_client, 'v', {}, {{"version", number_32}, {"options", counted_names}}},
      {"BackendKeyData", to_client, 'K', {}, {{"process_id", number_32, varies}, {"secret", rest_text, varies}}},
      {"ParameterStatus", to_client, 'S', {}, {{"name", text_z}, {"value", text_z}}},
  };
}

std::vector<MessageLayout> request_layouts() {
  using enum FieldKind;
  return {
      {"Bind", to_server, 'B', {},
       {{"portal", text_z}, {"statement", text_z}, {"formats", numbers_16}, {"parameters", values}, {"result_formats", numbers_16}}},
      {"Close", to_server, 'C', {}, {{"kind", character}, {"name", text_z}}},
      {"CopyData", to_server, 'd', {}, {{"bytes", rest_text}}},
      {"CopyDone", to_server, 'c', {}, {}},
      {"CopyFail", to_server, 'f', {}, {{"reason", text_z}}},
      {"Describe", to_server, 'D', {}, {{"kind", character}, {"name", text_z}}},
      {"Execute", to_server, 'E', {}, {{"portal", text_z}, {"rows_max", number_32}}},
      {"Flush", to_server, 'H', {}, {}},
      {"FunctionCall", to_server, 'F', {},
       {{"function", number_32}, {"formats", numbers_16}, {"arguments", values}, {"result_format", number_16}}},
      {"Parse", to_server, 'P', {}, {{"statement", text_z}, {"text", text_z}, {"types", numbers_32}}},
      {"Query", to_server, 'Q', {}, {{"text", text_z}}},
      {"Sync", to_server, 'S', {}, {}},
      {"Terminate", to_server, 'X', {}, {}},
  };
}

std::vector<MessageLayout> reply_layouts() {
  using enum FieldKind;
  return {
      {"BindComplete", to_client, '2', {}, {}},
      {"CloseComplete", to_client, '3', {}, {}},
      {"CommandComplete", to_client, 'C', {}, {{"tag", text_z}}},
      {"CopyBothResponse", to_client, 'W', {}, {{"format", number_8}, {"formats", numbers_16}}},
      {"CopyData", to_client, 'd', {}, {{"bytes", rest_text}}},
      {"CopyDone", to_client, 'c', {}, {}},
      {"CopyInResponse", to_client, 'G', {}, {{"format", number_8}, {"formats", numbers_16}}},
      {"CopyOutResponse", to_client, 'H', {}, {{"format", number_8}, {"formats", numbers_16}}},
      {"DataRow", to_client, 'D', {}, {{"values", values}}},
      {"EmptyQueryResponse", to_client, 'I', {}, {}},
      {"ErrorResponse", to_client, 'E', {}, {{"fields", report}}},
      {"FunctionCallResponse", to_client, 'V', {}, {{"result", value}}},
      {"NoData", to_client, 'n', {}, {}},
      {"NoticeResponse", to_client, 'N', {}, {{"fields", report}}},
      {"NotificationResponse", to_client, 'A', {}, {{"process_id", number_32, varies}, {"channel", text_z}, {"payload", text_z}}},
      {"ParameterDescription", to_client, 't', {}, {{"types", numbers_32}}},
      {"ParseComplete", to_client, '1', {}, {}},
      {"PortalSuspended", to_client, 's', {}, {}},
      {"ReadyForQuery", to_client, 'Z', {}, {{"status", character}}},
      {"RowDescription", to_client, 'T', {}, {{"columns", columns}}},
  };
}

const std::vector<MessageLayout>& all_layouts() {
  static const std::vector<MessageLayout> layouts = [] {
    std::vector<MessageLayout> all = startup_layouts();
    for (auto* make : {&request_layouts, &reply_layouts}) {
      const std::vector<MessageLayout> more = make();
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return layouts;
}

}  // namespace

std::span<const MessageLayout> message_layouts() { return all_layouts(); }

const MessageLayout* find_layout(Direction direction, std::string_view name) {
  const auto& layouts = all_layouts();
  const auto found = std::find_if(layouts.begin(), layouts.end(), [&](const MessageLayout& layout) {
    return layout.direction == direction && layout.name == name;
  });
  return found == layouts.end() ? nullptr : &*found;
}

const MessageLayout* find_layout(Direction direction, char tag, std::optional<std::uint32_t> code) {
  const auto& layouts = all_layouts();
  const auto found = std::find_if(layouts.begin(), layouts.end(), [&](const MessageLayout& layout) {
    return layout.direction == direction && layout.tag == tag && (!layout.code || layout.code == code);
  });
  return found == layouts.end() ? nullptr : &*found;
}

}  // namespace tests::support
