#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weft {

/// FNV-1a, 64 bits: tells contents apart that differ by accident. Not for anything that an adversary chooses.
class Hash {
 public:
  Hash& add(std::span<const std::byte> bytes) {
    for (std::byte b : bytes) value_ = (value_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001B3u;
    return *this;
  }
  Hash& add(std::string_view text) { return add(std::as_bytes(std::span(text))); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace weft
