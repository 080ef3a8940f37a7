#pragma once

#include "tests/model/session.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace model {

/// The role that conversations log in as. Owns the database that it uses.
inline constexpr const char* client_role = "model";

/// A second pair of eyes: an administrator's own connection to a server, beside the one that is tested.
class Control {
 public:
  /// Throws std::runtime_error when it cannot log in.
  Control(const Address& address, const std::string& database);

  /// Text values row by row; NULL is an empty text. Throws std::runtime_error with the server's message.
  std::vector<std::vector<std::string>> ask(const std::string& sql);

  /// What the server process `process_id` waits for ("ClientRead", "PgSleep", …), "" while it works, "gone" after its end.
  std::string wait_event(std::uint32_t process_id);
  /// What the clients' sessions in this database wait for, one entry each.
  std::vector<std::string> wait_events();
  /// Ends all clients' sessions in this database.
  void end_sessions();
  /// False: some client's session was still there after `patience`. Those that are tolerated do not count.
  bool await_no_session(std::chrono::milliseconds patience);
  /// From now on the sessions that are idle now do not count: a proxy keeps them for others. False: after `patience`
  /// some session was not idle yet.
  bool tolerate_idle(std::chrono::milliseconds patience);
  /// Puts the objects that conversations use back to their first state.
  void reset_objects();
  /// One line that differs when the content of the database differs.
  std::string digest();

 private:
  Session session_;
  [[nodiscard]] std::string clients_filter() const;

  std::size_t taken_ = 0;
  std::string tolerated_ = "{}";  ///< process ids, as an array
};

}  // namespace model
