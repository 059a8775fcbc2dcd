#include "weft/io/number_type.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "weft/core/random.h"

using namespace weft;

namespace {

/// What a small float's bits mean, by the definition of the formats and not by bits of a larger one.
struct Format {
  NumberType type;
  int exponent_bits, mantissa_bits;
  bool infinities;
  std::uint32_t count() const { return 2u << (exponent_bits + mantissa_bits); }

  double value(std::uint32_t bits) const {
    const std::uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
    const int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
    const double sign = bits >> (exponent_bits + mantissa_bits) ? -1 : 1, nan = std::nan("");
    if (exponent == top && infinities) return mantissa ? nan : sign * std::numeric_limits<double>::infinity();
    if (exponent == top && mantissa == (1u << mantissa_bits) - 1) return nan;
    const double digits = std::ldexp(mantissa, -mantissa_bits) + (exponent ? 1 : 0);
    return sign * std::ldexp(digits, (exponent ? exponent : 1) - bias);
  }
};

constexpr Format formats[] = {{NumberType::f16, 5, 10, true},
                              {NumberType::bf16, 8, 7, true},
                              {NumberType::f8_e4m3, 4, 3, false},
                              {NumberType::f8_e5m2, 5, 2, true}};

template <class T>
T read(NumberType type, std::uint32_t bits) {
  std::byte bytes[4];
  std::memcpy(bytes, &bits, 4);
  T value;
  read_numbers(type, bytes, 0, 1, &value);
  return value;
}

std::uint32_t write(NumberType type, double value) {
  std::uint32_t bits = 0;
  std::byte bytes[8];
  write_numbers<double>(type, {&value, 1}, bytes);
  std::memcpy(&bits, bytes, size_of(type));
  return bits;
}

/// Searches all numbers of the format: the nearest, of two equally near the one with the even bits.
std::uint32_t nearest(const Format& format, double x) {
  const std::uint32_t half = format.count() / 2;
  std::uint32_t low = 0, high = half - 1;
  while (high > low && !std::isfinite(format.value(high))) --high;
  const std::uint32_t largest = high;
  const double magnitude = std::abs(x), last_step = format.value(largest) - format.value(largest - 1);
  const double beyond = format.value(largest) + last_step;
  std::uint32_t found = 0;
  if (magnitude >= (format.value(largest) + beyond) / 2) {
    // A tie goes to the even one of the largest number and what would be the next.
    found = magnitude == (format.value(largest) + beyond) / 2 && largest % 2 == 0 ? largest : largest + 1;
  } else {
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      if (format.value(middle) < magnitude)
        low = middle + 1;
      else
        high = middle;
    }
    found = low;
    if (low > 0) {
      const double below = magnitude - format.value(low - 1), above = format.value(low) - magnitude;
      if (below < above || (below == above && low % 2 == 1)) found = low - 1;
    }
  }
  return found + (std::signbit(x) ? half : 0);
}

}  // namespace

TEST_CASE("every bit pattern of a small float means what its format says, and comes back") {
  for (const Format& format : formats) {
    INFO(name(format.type));
    std::size_t wrong = 0;
    for (std::uint32_t bits = 0; bits < format.count(); ++bits) {
      const double expected = format.value(bits), value = read<double>(format.type, bits);
      const float single = read<float>(format.type, bits);
      const bool same = expected != expected ? value != value && single != single
                                             : value == expected && single == static_cast<float>(expected) &&
                                                   std::signbit(value) == std::signbit(expected);
      // Of F8_E4M3's NaNs there is one a sign; the others keep their payload.
      if (!same || write(format.type, value) != bits) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("numbers are rounded to the nearest of the type, ties to even") {
  for (const Format& format : formats) {
    INFO(name(format.type));
    const RandomKey key(1, name(format.type));
    std::size_t wrong = 0;
    const auto check = [&](double x) {
      if (write(format.type, x) != nearest(format, x)) ++wrong;
    };
    // Between all neighbours: the tie itself and its neighbours among the doubles.
    for (std::uint32_t bits = 0; bits + 1 < format.count() / 2; ++bits) {
      const double a = format.value(bits), b = format.value(bits + 1);
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      const double tie = (a + b) / 2;
      for (const double x : {tie, std::nextafter(tie, a), std::nextafter(tie, b), -tie}) check(x);
    }
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const double exponent = -160 + 320 * static_cast<double>(uniform_index(key, i, 1 << 20)) / (1 << 20);
      const double x = std::exp2(exponent) * (uniform_index(key.at("sign"), i, 2) ? 1 : -1);
      check(x);
    }
    for (const double x : {0.0, -0.0, 1e300, -1e300, 5e-324, 1e-40}) check(x);
    CHECK(wrong == 0);
  }
  CHECK(write(NumberType::f8_e4m3, 448) == 0x7e);
  CHECK(write(NumberType::f8_e4m3, 464) == 0x7e);
  CHECK(write(NumberType::f8_e4m3, 465) == 0x7f);
  CHECK(write(NumberType::f16, 65519.99) == 0x7bff);
  CHECK(write(NumberType::f16, 65520) == 0x7c00);
  CHECK(write(NumberType::f16, std::numeric_limits<double>::infinity()) == 0x7c00);
}

TEST_CASE("bits of float32 and float64 come back, NaNs too") {
  const RandomKey key(2, "bits");
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const auto high = static_cast<std::uint32_t>(uniform_index(key, 2 * i, std::uint64_t{1} << 32));
    const auto low = static_cast<std::uint32_t>(uniform_index(key, 2 * i + 1, std::uint64_t{1} << 32));
    const std::uint32_t bits = i % 4 == 0 ? high | 0x7f800000u : high;
    CHECK(write(NumberType::f32, read<double>(NumberType::f32, bits)) == bits);
    const std::uint64_t wide = std::uint64_t{high} << 32 | low;
    double value;
    std::uint64_t back;
    std::byte bytes[8];
    read_numbers(NumberType::f64, reinterpret_cast<const std::byte*>(&wide), 8, 1, &value);
    write_numbers<double>(NumberType::f64, {&value, 1}, bytes);
    std::memcpy(&back, bytes, 8);
    CHECK(back == wide);
  }
}

TEST_CASE("integers and truth values") {
  CHECK(read<double>(NumberType::i8, 0x80) == -128);
  CHECK(read<double>(NumberType::u8, 0x80) == 128);
  CHECK(read<double>(NumberType::i16, 0x8000) == -32768);
  CHECK(read<double>(NumberType::u16, 0x8000) == 32768);
  CHECK(read<double>(NumberType::i32, 0xffffffff) == -1);
  CHECK(read<double>(NumberType::u32, 0xffffffff) == 4294967295.0);
  CHECK(read<float>(NumberType::boolean, 7) == 1);
  CHECK(read<float>(NumberType::boolean, 0) == 0);
  for (const NumberType type : {NumberType::i8, NumberType::u8, NumberType::i16, NumberType::u16})
    for (std::uint32_t bits = 0; bits < (size_of(type) == 1 ? 256u : 65536u); ++bits)
      if (write(type, read<double>(type, bits)) != bits) FAIL(name(type));
  CHECK(write(NumberType::u8, 2.5) == 2);
  CHECK(write(NumberType::u8, 3.5) == 4);
  CHECK(write(NumberType::boolean, 0.25) == 1);
}

TEST_CASE("what a type cannot hold is told by its position") {
  std::vector<std::byte> bytes(64);
  const auto lost = [&](NumberType type, std::vector<double> values) {
    return write_numbers<double>(type, values, bytes.data());
  };
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  CHECK(lost(NumberType::f16, {1, infinity, nan, 65504}) == std::nullopt);
  CHECK(lost(NumberType::f16, {1, 2, 65520, 1e9}) == 2);
  CHECK(lost(NumberType::f8_e4m3, {448, 1e3}) == 1);
  CHECK(lost(NumberType::f32, {1e38, 1e39}) == 1);
  CHECK(lost(NumberType::i64, {-9223372036854775808.0, 9223372036854774784.0}) == std::nullopt);
  CHECK(lost(NumberType::i64, {9223372036854775808.0}) == 0);
  CHECK(lost(NumberType::u64, {18446744073709549568.0, 18446744073709551616.0}) == 1);
  CHECK(lost(NumberType::u8, {255.4, -0.4, 255.6}) == 2);
  CHECK(lost(NumberType::i8, {nan}) == 0);
}

TEST_CASE("numbers are read with strides, forwards and backwards, from any address") {
  std::vector<std::byte> bytes(1 + 3 * 6);
  for (std::uint16_t i = 0; i < 3; ++i) {
    const std::uint16_t value = static_cast<std::uint16_t>(100 + i);
    std::memcpy(bytes.data() + 1 + 6 * i, &value, 2);
  }
  double values[3];
  read_numbers(NumberType::u16, bytes.data() + 1, 6, 3, values);
  CHECK((values[0] == 100 && values[1] == 101 && values[2] == 102));
  read_numbers(NumberType::u16, bytes.data() + 13, -6, 3, values);
  CHECK((values[0] == 102 && values[1] == 101 && values[2] == 100));
  read_numbers(NumberType::u16, bytes.data() + 7, 0, 3, values);
  CHECK((values[0] == 101 && values[2] == 101));
}

TEST_CASE("types have names, sizes and weft's own types") {
  for (const NumberType type : number_types) {
    CHECK(number_type_named(name(type)) == type);
    if (const auto dtype = dtype_of_number(type)) {
      CHECK(number_type(*dtype) == type);
      CHECK(size_of(*dtype) == size_of(type));
    }
  }
  CHECK_FALSE(number_type_named("C64"));
  CHECK(is_float(NumberType::f8_e5m2));
  CHECK_FALSE(is_float(NumberType::boolean));
}
