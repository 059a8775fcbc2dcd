#include "weft/io/json.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {

/// Builds a value from the events of the parser.
class Json::Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Json take() { return std::move(root_); }

  bool null() override {
    place();  // a new one is null
    return true;
  }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Object{}); }
  bool start_array(std::size_t) override { return open(List{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    Object& members = std::get<Object>(open_.back()->value_);
    if (open_.back()->find(name)) throw FormatError("an object has {} twice", in_quotes(name));
    members.emplace_back().first = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    throw FormatError("unexpected text before byte {}", position);
  }

 private:
  static constexpr std::size_t deepest = 100;

  /// A value goes to the list or the member that is open.
  Json& place() {
    if (open_.empty()) return root_;
    if (auto* list = std::get_if<List>(&open_.back()->value_)) return list->emplace_back();
    return std::get<Object>(open_.back()->value_).back().second;
  }
  bool add(Json value) {
    place() = std::move(value);
    return true;
  }
  bool open(Json value) {
    if (open_.size() == deepest) throw FormatError("a value more than {} deep", deepest);
    Json& there = place();
    there = std::move(value);
    open_.push_back(&there);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  ///< lists and objects; only the innermost one grows, so that they stay where they are
};

// Not as the variant would do it: that of g++ 12 destroys what is not there when memory runs out half way.
Json::Json(const Json& other) {
  std::visit([this](const auto& value) { value_ = value; }, other.value_);
}

Json Json::parse(std::string_view text) {
  // The parser takes a NUL for the end of its input and would not look at what follows.
  if (const auto nul = text.find('\0'); nul != text.npos) throw FormatError("byte {} is NUL", nul);
  Reader reader;
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  return reader.take();
}

std::optional<std::int64_t> Json::whole() const {
  if (const auto* negative = std::get_if<std::int64_t>(&value_)) return *negative;
  const auto* value = natural();
  if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return {};
  return static_cast<std::int64_t>(*value);
}

std::optional<double> Json::number() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = natural()) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  return {};
}

const Json* Json::find(std::string_view key) const {
  const Object* members = object();
  if (!members) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(), [&](const auto& m) { return m.first == key; });
  return found == members->end() ? nullptr : &found->second;
}

std::string Json::dump(int indent) const {
  std::string out;
  write(out, indent, 0);
  return out;
}

void Json::write(std::string& out, int indent, int level) const {
  const auto line = [&](int at) {
    if (indent >= 0) out.append(1, '\n').append(static_cast<std::size_t>(indent * at), ' ');
  };
  const auto each = [&](const auto& items, char begin, char end, const auto& item) {
    out += begin;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ',';
      line(level + 1);
      item(items[i]);
    }
    if (!items.empty()) line(level);
    out += end;
  };
  if (const auto* value = boolean()) {
    out += *value ? "true" : "false";
  } else if (const auto* value = std::get_if<std::int64_t>(&value_)) {
    out += std::to_string(*value);
  } else if (const auto* value = natural()) {
    out += std::to_string(*value);
  } else if (const auto* value = std::get_if<double>(&value_)) {
    // JSON has no other numbers than finite ones.
    const std::string digits = std::isfinite(*value) ? fmt::format("{}", *value) : "null";
    out += digits.find_first_not_of("-0123456789") == digits.npos ? digits + ".0" : digits;
  } else if (const auto* value = text()) {
    out += json_string(*value);
  } else if (const auto* items = list()) {
    each(*items, '[', ']', [&](const Json& item) { item.write(out, indent, level + 1); });
  } else if (const auto* members = object()) {
    each(*members, '{', '}', [&](const auto& member) {
      out += json_string(member.first) + (indent >= 0 ? ": " : ":");
      member.second.write(out, indent, level + 1);
    });
  } else {
    out += "null";
  }
}

std::string json_string(std::string_view text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw UsageError("[json] {} is not UTF-8", in_quotes(text));
  }
}

}  // namespace weft
