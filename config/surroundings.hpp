#pragma once

#include "config/load.hpp"

namespace config {

/// A file read whole, of no more than `bytes_max` bytes. Regular files only: a pipe or a device could make
/// the start wait for ever. Fails with the system's words.
[[nodiscard]] protocol::Result<SecretFile> read_file(const std::filesystem::path& path,
                                                     std::size_t bytes_max);

/// The real machine.
class Machine : public Surroundings {
 public:
  [[nodiscard]] protocol::Result<SecretFile> read_secret_file(
      const std::filesystem::path& path, std::size_t bytes_max) const override;
  [[nodiscard]] protocol::Status check_file(const std::filesystem::path& path, Secrecy secrecy) const override;
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override;
  [[nodiscard]] protocol::Status check_directory(const std::filesystem::path& path) const override;
};

/// Where nothing is.
class Nowhere : public Surroundings {
 public:
  [[nodiscard]] protocol::Result<SecretFile> read_secret_file(
      const std::filesystem::path& path, std::size_t bytes_max) const override;
  [[nodiscard]] protocol::Status check_file(const std::filesystem::path& path, Secrecy secrecy) const override;
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override;
};

}  // namespace config
