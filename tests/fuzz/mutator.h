#pragma once

#include <cstring>

#include "weft/tests/fuzz/damage.h"

// libFuzzer's own mutations, and every second time one of damage.h. Included by the one source of a target.

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t largest);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t largest,
                                               unsigned seed) {
  std::minstd_rand random(seed);
  if (random() % 2) {
    const auto bytes = weft::testing::damaged(std::as_bytes(std::span(data, size)), random);
    if (!bytes.empty() && bytes.size() <= largest) {
      std::memcpy(data, bytes.data(), bytes.size());
      return bytes.size();
    }
  }
  return LLVMFuzzerMutate(data, size, largest);
}
