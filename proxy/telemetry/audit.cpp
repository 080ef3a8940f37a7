#include "proxy/telemetry/audit.hpp"

#include <openssl/evp.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

namespace proxy::telemetry {

namespace {

using protocol::Blame;
using protocol::ErrorCode;

/// What the first line continues.
constexpr std::string_view no_digest = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::string_view digest_key = ",\"digest\":\"";
constexpr std::string_view line_end = "\"}";

std::string digest_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr);
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text_of_it;
  for (unsigned i = 0; i < size; ++i) text_of_it += {digits[bytes[i] >> 4], digits[bytes[i] & 0x0F]};
  return text_of_it;
}

/// Source: RFC 8259, section 7.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      result += escaped.data();
    } else {
      result += c;
    }
  }
  return result + "\"";
}

/// UTC, RFC 3339, to the millisecond.
std::string time_text() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 24> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return std::string(text.data()) + "." + std::to_string(1000 + milliseconds).substr(1) + "Z";
}

protocol::Error trouble(const std::string& path, const std::string& words) {
  return protocol::failure(ErrorCode::internal, Blame::operator_, path + " " + words + ": " + std::strerror(errno));
}

}  // namespace

AuditVerdict verify_audit(std::istream& lines) {
  AuditVerdict verdict;
  verdict.last_digest = no_digest;
  std::string line;
  while (std::getline(lines, line)) {
    const std::string where = "line " + std::to_string(verdict.entries + 1) + " ";
    const std::size_t end = line.rfind(digest_key);
    if (end == std::string::npos || !line.ends_with(line_end)) {
      verdict.complaint = where + "is no entry of an audit, or is torn";
      return verdict;
    }
    const std::string digest = line.substr(end + digest_key.size(), line.size() - end - digest_key.size() - line_end.size());
    const std::string begin = "{\"number\":" + std::to_string(verdict.entries + 1) + ",\"before\":\"" + verdict.last_digest + "\",";
    if (!line.starts_with(begin)) {
      verdict.complaint = where + "does not follow the line before it: something was taken out, put in or moved";
      return verdict;
    }
    if (digest != digest_of(std::string_view(line).substr(0, end))) {
      verdict.complaint = where + "was changed";
      return verdict;
    }
    ++verdict.entries;
    verdict.last_digest = digest;
  }
  return verdict;
}

protocol::Status Audit::open() {
  const std::lock_guard lock(mutex_);
  std::ifstream file(path_);
  if (!file) {
    digest_ = no_digest;
    return {};
  }
  const AuditVerdict verdict = verify_audit(file);
  if (!verdict.complaint.empty()) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, path_ + ": " + verdict.complaint);
  }
  number_ = verdict.entries;
  digest_ = verdict.last_digest;
  return {};
}

protocol::Status Audit::append(const AuditEntry& entry) {
  const std::lock_guard lock(mutex_);
  std::string text = "{\"number\":" + std::to_string(number_ + 1) + ",\"before\":\"" + digest_ + "\",\"time\":\"" + time_text() +
                     "\",\"pair\":" + quoted(entry.pair) + ",\"what\":" + quoted(entry.what) + ",\"who\":" + quoted(entry.who) +
                     ",\"from\":" + quoted(entry.from) + ",\"to\":" + quoted(entry.to) + ",\"why\":" + quoted(entry.why);
  const std::string digest = digest_of(text);
  text += std::string(digest_key) + digest + std::string(line_end) + "\n";
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return trouble(path_, "cannot be opened");
  const ssize_t written = ::write(file, text.data(), text.size());
  const bool is_durable = written == static_cast<ssize_t>(text.size()) && fdatasync(file) == 0;
  const protocol::Status status = is_durable ? protocol::Status() : protocol::Status(trouble(path_, "cannot be written"));
  close(file);
  if (!is_durable) return status;
  ++number_;
  digest_ = digest;
  return {};
}

}  // namespace proxy::telemetry
