#include "tests/model/conversation.hpp"

namespace model {

std::vector<Step> farewell() {
  const auto send = [](std::vector<ClientMessage> messages) {
    return Step{StepKind::send, std::move(messages), {}, 0};
  };
  const Step wait{};
  return {
      send({copy_done(), sync()}), wait, send({query("ROLLBACK")}), wait,
      send({query("SELECT name, setting FROM pg_settings WHERE name IN ('DateStyle', 'TimeZone', 'IntervalStyle', "
                  "'application_name', 'client_encoding', 'search_path', 'work_mem', 'extra_float_digits', "
                  "'statement_timeout', 'default_transaction_isolation', 'bytea_output') ORDER BY name"),
            query("SELECT count(*) FROM t")}),
      wait, send({terminate()})};
}

std::string bytes_of(const Step& step) {
  std::string bytes;
  for (const ClientMessage& message : step.messages) bytes += message.frame;
  return bytes;
}

std::size_t message_count(const Conversation& conversation) {
  std::size_t count = 0;
  for (const Step& step : conversation.steps) count += step.messages.size();
  return count;
}

std::string describe(const Conversation& conversation) {
  std::string words = "conversation of seed " + std::to_string(conversation.seed) + "\n";
  for (const auto& [name, value] : conversation.parameters) words += "  start-up " + name + " = " + value + "\n";
  std::size_t number = 0;
  for (const Step& step : conversation.steps) {
    const std::string prefix = "  " + std::to_string(++number) + ". ";
    switch (step.kind) {
      case StepKind::wait:
        words += prefix + "wait for the replies\n";
        break;
      case StepKind::cancel:
        words += prefix + "wait for the replies or pg_sleep, then cancel\n";
        break;
      case StepKind::send:
        words += prefix + "send in " + std::to_string(step.cuts.size() + 1) + " piece(s)\n";
        for (const ClientMessage& message : step.messages) words += "       " + message.words + "\n";
        break;
    }
  }
  return words;
}

}  // namespace model
