#pragma once

#include <cstddef>
#include <new>

namespace protocol::postgres {

/// Memory that is never swapped out nor dumped, for keys: OpenSSL's secure heap. Where there is none, or it is used up,
/// ordinary memory serves; both are wiped when they are given back.
[[nodiscard]] void* allocate_locked(std::size_t bytes);
void free_locked(void* memory, std::size_t bytes) noexcept;

/// Sets the heap aside, once per process, before the first key. False: the system does not let so much be locked; what
/// could be had is used all the same.
inline constexpr std::size_t locked_bytes_usual = std::size_t{1} << 20;
[[nodiscard]] bool reserve_locked_memory(std::size_t bytes = locked_bytes_usual);

/// For std::allocate_shared.
template <class T>
struct LockedAllocator {
  using value_type = T;
  LockedAllocator() = default;
  template <class Other>
  LockedAllocator(const LockedAllocator<Other>&) {}  // NOLINT(google-explicit-constructor): as the standard wants it

  [[nodiscard]] T* allocate(std::size_t count) { return static_cast<T*>(allocate_locked(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { free_locked(memory, count * sizeof(T)); }
  bool operator==(const LockedAllocator&) const = default;
};

}  // namespace protocol::postgres
