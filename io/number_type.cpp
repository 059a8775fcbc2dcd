#include "weft/io/number_type.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace weft {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers of files are little-endian; swap bytes here");

/// float and double with NaNs that keep their payload: the processor's conversions would make them quiet.
double widen(float x) {
  if (x == x) return x;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<double>(std::uint64_t{bits >> 31} << 63 | std::uint64_t{0x7ff} << 52 |
                               std::uint64_t{bits & 0x7fffff} << 29);
}

float narrow(double x) {
  if (x == x) return static_cast<float>(x);
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto payload = static_cast<std::uint32_t>(bits >> 29 & 0x7fffff);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 63) << 31 | 0x7f800000u |
                              (payload ? payload : 0x400000u));
}

template <class T>
T as(float x) {
  if constexpr (std::is_same_v<T, float>)
    return x;
  else
    return widen(x);
}

template <class T>
T as(double x) {
  if constexpr (std::is_same_v<T, float>)
    return narrow(x);
  else
    return x;
}

/// A float of sign, `E` exponent and `M` mantissa bits in the integer `Bits`. Its largest exponent means infinities and
/// NaNs; where not `Ieee`, only all ones are a NaN.
template <class Bits, int E, int M, bool Ieee = true>
struct SmallFloat {
  static constexpr int bias = (1 << (E - 1)) - 1;
  static constexpr std::uint32_t magnitude_bits = (1u << (E + M)) - 1;
  static constexpr std::uint32_t infinity = Ieee ? ((1u << E) - 1) << M : magnitude_bits;  ///< and NaNs beyond it

  /// Exact: the bits are moved to a float's places, where the exponent is off by a constant, and numbers below the
  /// smallest normal one stay in proportion.
  static float decode(Bits bits) {
    const std::uint32_t magnitude = bits & magnitude_bits, sign = static_cast<std::uint32_t>(bits) >> (E + M) << 31;
    std::uint32_t result = magnitude << (23 - M);
    if (magnitude >= infinity)
      result |= 0x7f800000u;
    else if constexpr (E < 8)
      result = std::bit_cast<std::uint32_t>(std::bit_cast<float>(result) * std::bit_cast<float>((254u - bias) << 23));
    return std::bit_cast<float>(sign | result);
  }

  static Bits encode(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const auto sign = static_cast<std::uint32_t>(bits >> 63) << (E + M);
    return static_cast<Bits>(sign | magnitude(bits & ~(std::uint64_t{1} << 63)));
  }

 private:
  static std::uint32_t magnitude(std::uint64_t bits) {
    constexpr std::uint64_t one = 1, double_infinity = std::uint64_t{0x7ff} << 52;
    constexpr int smallest = 1 - bias;  // exponent of the smallest normal number
    if (bits > double_infinity) {
      if (!Ieee) return magnitude_bits;
      const auto payload = static_cast<std::uint32_t>(bits >> (52 - M)) & ((1u << M) - 1);
      return infinity | (payload ? payload : 1u << (M - 1));
    }
    const int exponent = static_cast<int>(bits >> 52) - 1023;
    if (exponent > bias + 1) return infinity;
    if (exponent < smallest - M - 1) return 0;  // below half of the smallest number
    const int dropped = 52 - M + std::max(0, smallest - exponent);
    const std::uint64_t digits = (bits & ((one << 52) - 1)) | one << 52;
    // Half of the last kept place, less one where that place is even, rounds ties to even.
    const std::uint64_t rounded = (digits + (one << (dropped - 1)) - 1 + (digits >> dropped & 1)) >> dropped;
    // The leading digit counts one more in the exponent, and so does a carry beyond it.
    const std::uint64_t result = rounded + (static_cast<std::uint64_t>(std::max(0, exponent - smallest)) << M);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(result, infinity));
  }
};

using F16 = SmallFloat<std::uint16_t, 5, 10>;
using Bf16 = SmallFloat<std::uint16_t, 8, 7>;
using F8E4m3 = SmallFloat<std::uint8_t, 4, 3, false>;
using F8E5m2 = SmallFloat<std::uint8_t, 5, 2>;

struct TypeRow {
  const char* name;
  std::size_t size;
};

constexpr TypeRow rows[] = {{"F64", 8},     {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
                            {"F8_E5M2", 1}, {"I64", 8}, {"I32", 4}, {"I16", 2},  {"I8", 1},
                            {"U64", 8},     {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}};
static_assert(std::size(rows) == std::size(number_types));

template <class Stored, class T, class F>
void read_as(const std::byte* from, std::ptrdiff_t stride, std::size_t count, T* to, F&& convert) {
  const auto loop = [&](std::ptrdiff_t step) {
    for (std::size_t i = 0; i < count; ++i) {
      Stored stored;
      std::memcpy(&stored, from + static_cast<std::ptrdiff_t>(i) * step, sizeof stored);
      to[i] = convert(stored);
    }
  };
  // A step that the compiler knows is vectorised.
  if (stride == static_cast<std::ptrdiff_t>(sizeof(Stored)))
    loop(sizeof(Stored));
  else
    loop(stride);
}

template <class Stored, class T, class F>
std::optional<std::size_t> write_as(std::span<const T> from, std::byte* to, F&& convert) {
  std::optional<std::size_t> lost;
  for (std::size_t i = 0; i < from.size(); ++i, to += sizeof(Stored)) {
    bool fits = true;
    const Stored stored = convert(as<double>(from[i]), fits);
    if (!fits && !lost) lost = i;
    std::memcpy(to, &stored, sizeof stored);
  }
  return lost;
}

template <class Float>
auto encoder() {
  return [](double x, bool& fits) {
    const auto bits = Float::encode(x);
    fits = !std::isfinite(x) || (bits & Float::magnitude_bits) < Float::infinity;
    return bits;
  };
}

template <class Int>
auto integer_encoder() {
  return [](double x, bool& fits) {
    constexpr double below = static_cast<double>(std::numeric_limits<Int>::min());
    // A power of two, so exact where the largest integer itself is not.
    constexpr double beyond = 2.0 * static_cast<double>(std::numeric_limits<Int>::max() / 2 + 1);
    const double rounded = std::nearbyint(x);
    fits = rounded >= below && rounded < beyond;
    return fits ? static_cast<Int>(rounded) : Int{0};
  };
}

/// Calls f(Int{}) with the type of an integer.
template <class F>
auto with_integer(NumberType type, F&& f) {
  switch (type) {
    case NumberType::i64:
      return f(std::int64_t{});
    case NumberType::i32:
      return f(std::int32_t{});
    case NumberType::i16:
      return f(std::int16_t{});
    case NumberType::i8:
      return f(std::int8_t{});
    case NumberType::u64:
      return f(std::uint64_t{});
    case NumberType::u32:
      return f(std::uint32_t{});
    case NumberType::u16:
      return f(std::uint16_t{});
    default:
      return f(std::uint8_t{});
  }
}

}  // namespace

std::size_t size_of(NumberType type) { return rows[static_cast<std::size_t>(type)].size; }

const char* name(NumberType type) { return rows[static_cast<std::size_t>(type)].name; }

std::optional<NumberType> number_type_named(std::string_view text) {
  for (const NumberType type : number_types)
    if (text == name(type)) return type;
  return std::nullopt;
}

bool is_float(NumberType type) { return type <= NumberType::f8_e5m2; }

double rounding(NumberType type) {
  switch (type) {
    case NumberType::f64:
      return 0x1p-53;
    case NumberType::f32:
      return 0x1p-24;
    case NumberType::f16:
      return 0x1p-11;
    case NumberType::bf16:
      return 0x1p-8;
    case NumberType::f8_e4m3:
      return 0x1p-4;
    case NumberType::f8_e5m2:
      return 0x1p-3;
    default:
      return 0;
  }
}

NumberType number_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return NumberType::f32;
    case DType::f64:
      return NumberType::f64;
    case DType::i32:
      return NumberType::i32;
    case DType::u8:
      break;
  }
  return NumberType::u8;
}

std::optional<DType> dtype_of_number(NumberType type) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i32, DType::u8})
    if (number_type(dtype) == type) return dtype;
  return std::nullopt;
}

template <class T>
void read_numbers(NumberType type, const std::byte* from, std::ptrdiff_t stride, std::size_t count, T* to) {
  switch (type) {
    case NumberType::f64:
      return read_as<double>(from, stride, count, to, [](double x) { return as<T>(x); });
    case NumberType::f32:
      return read_as<float>(from, stride, count, to, [](float x) { return as<T>(x); });
    case NumberType::f16:
      return read_as<std::uint16_t>(from, stride, count, to, [](std::uint16_t x) { return as<T>(F16::decode(x)); });
    case NumberType::bf16:
      return read_as<std::uint16_t>(from, stride, count, to, [](std::uint16_t x) { return as<T>(Bf16::decode(x)); });
    case NumberType::f8_e4m3:
      return read_as<std::uint8_t>(from, stride, count, to, [](std::uint8_t x) { return as<T>(F8E4m3::decode(x)); });
    case NumberType::f8_e5m2:
      return read_as<std::uint8_t>(from, stride, count, to, [](std::uint8_t x) { return as<T>(F8E5m2::decode(x)); });
    case NumberType::boolean:
      return read_as<std::uint8_t>(from, stride, count, to, [](std::uint8_t x) { return static_cast<T>(x != 0); });
    default:
      with_integer(type, [&](auto integer) {
        read_as<decltype(integer)>(from, stride, count, to, [](auto x) { return static_cast<T>(x); });
      });
  }
}

template <class T>
std::optional<std::size_t> write_numbers(NumberType type, std::span<const T> from, std::byte* to) {
  switch (type) {
    case NumberType::f64:
      return write_as<double>(from, to, [](double x, bool&) { return x; });
    case NumberType::f32:
      return write_as<float>(from, to, [](double x, bool& fits) {
        const float stored = narrow(x);
        fits = !std::isfinite(x) || std::isfinite(stored);
        return stored;
      });
    case NumberType::f16:
      return write_as<std::uint16_t>(from, to, encoder<F16>());
    case NumberType::bf16:
      return write_as<std::uint16_t>(from, to, encoder<Bf16>());
    case NumberType::f8_e4m3:
      return write_as<std::uint8_t>(from, to, encoder<F8E4m3>());
    case NumberType::f8_e5m2:
      return write_as<std::uint8_t>(from, to, encoder<F8E5m2>());
    case NumberType::boolean:
      return write_as<std::uint8_t>(from, to, [](double x, bool& fits) {
        fits = x == x;
        return static_cast<std::uint8_t>(fits && x != 0);
      });
    default:
      return with_integer(type, [&](auto integer) {
        return write_as<decltype(integer)>(from, to, integer_encoder<decltype(integer)>());
      });
  }
}

template void read_numbers(NumberType, const std::byte*, std::ptrdiff_t, std::size_t, float*);
template void read_numbers(NumberType, const std::byte*, std::ptrdiff_t, std::size_t, double*);
template std::optional<std::size_t> write_numbers(NumberType, std::span<const float>, std::byte*);
template std::optional<std::size_t> write_numbers(NumberType, std::span<const double>, std::byte*);

}  // namespace weft
