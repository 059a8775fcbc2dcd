#pragma once
// JSON as the files of zoos and models hold it. nlohmann's library reads and escapes it; the values are weft's own, for
// that library's values need memory when they are destroyed, and end the program where there is none.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

/// A value: null, true or false, a number, a text, a list, or an object, whose members keep their order.
class Json {
 public:
  using List = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(Json&&) noexcept = default;
  Json& operator=(Json&&) noexcept = default;
  Json(const Json& other);
  Json& operator=(const Json& other) { return *this = Json(other); }
  ~Json() = default;
  Json(bool value) : value_(value) {}
  Json(std::unsigned_integral auto value) : value_(std::uint64_t{value}) {}
  Json(std::signed_integral auto value) {
    if (value < 0)
      value_ = std::int64_t{value};
    else
      value_ = static_cast<std::uint64_t>(value);
  }
  Json(double value) : value_(value) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(List value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  /// Throws FormatError, saying where, for text that is no JSON, an object that has a member twice, or a value more
  /// than 100 deep.
  static Json parse(std::string_view text);
  /// The text, on one line, or on many with `indent` more spaces for each level. Throws UsageError for a text that is
  /// not UTF-8.
  std::string dump(int indent = -1) const;

  /// What it is, or nothing; `if (const auto* text = json.text())`.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const List* list() const { return std::get_if<List>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  /// A whole number that is not negative.
  const std::uint64_t* natural() const { return std::get_if<std::uint64_t>(&value_); }
  /// A whole number of 64 bits.
  std::optional<std::int64_t> whole() const;
  /// Any number.
  std::optional<double> number() const;

  /// A member of an object, or null.
  const Json* find(std::string_view key) const;

  bool operator==(const Json&) const = default;

 private:
  class Reader;
  void write(std::string& out, int indent, int level) const;

  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, List, Object> value_;
};

/// `text` as JSON has it, in quotes. Throws UsageError when it is not UTF-8.
std::string json_string(std::string_view text);

}  // namespace weft
