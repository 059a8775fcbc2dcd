#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "weft/core/dtype.h"

namespace weft {

/// The types of numbers in files of other programs; weft's own tensors have a DType.
enum class NumberType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean
};

inline constexpr NumberType number_types[] = {
    NumberType::f64,     NumberType::f32, NumberType::f16, NumberType::bf16, NumberType::f8_e4m3,
    NumberType::f8_e5m2, NumberType::i64, NumberType::i32, NumberType::i16,  NumberType::i8,
    NumberType::u64,     NumberType::u32, NumberType::u16, NumberType::u8,   NumberType::boolean};

std::size_t size_of(NumberType type);
/// As safetensors spells it: "BF16".
const char* name(NumberType type);
/// The type of that name, if it is one of these.
std::optional<NumberType> number_type_named(std::string_view text);
/// F64 to F8: no integer and no BOOL.
bool is_float(NumberType type);
/// What rounding to a floating type changes a number by at most, relative to it: 2^-53 of F64, 2^-8 of BF16, 2^-3 of
/// F8_E5M2.
double rounding(NumberType type);

NumberType number_type(DType dtype);
/// weft's own type of the same bytes, where there is one.
std::optional<DType> dtype_of_number(NumberType type);

/// `count` numbers, the first at `from` and each `stride` bytes behind the one before, as double or float. Exact in
/// double but for integers beyond 2^53, which are rounded to nearest, ties to even, as all are that float cannot hold.
/// A NaN keeps its sign and the bits of its payload that fit. F8_E4M3 is the variant without infinities ("fn", largest
/// 448). A BOOL is 1 unless its byte is 0. Bytes need no alignment.
template <class T>
void read_numbers(NumberType type, const std::byte* from, std::ptrdiff_t stride, std::size_t count, T* to);
extern template void read_numbers(NumberType, const std::byte*, std::ptrdiff_t, std::size_t, float*);
extern template void read_numbers(NumberType, const std::byte*, std::ptrdiff_t, std::size_t, double*);

/// The other way: to the nearest number of the type, ties to even; what read_numbers gave in double comes back bit for
/// bit, NaNs too, but for integers beyond 2^53 and BOOLs other than 0 and 1. Numbers beyond the range become infinite,
/// in F8_E4M3 NaN. `to` takes size_of(type) bytes a number. A BOOL is 0 or 1. Returns the position of the first finite
/// number that the type's range does not hold, or of an integer's NaN or infinity (whose bytes are then 0), if any.
template <class T>
std::optional<std::size_t> write_numbers(NumberType type, std::span<const T> from, std::byte* to);
extern template std::optional<std::size_t> write_numbers(NumberType, std::span<const float>, std::byte*);
extern template std::optional<std::size_t> write_numbers(NumberType, std::span<const double>, std::byte*);

}  // namespace weft
