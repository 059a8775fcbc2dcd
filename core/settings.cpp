#include "weft/core/settings.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.h"

namespace weft {
namespace {

/// Of the values of a SettingValue.
constexpr const char* kinds[] = {"true or false", "a whole number", "a number", "a text"};

}  // namespace

std::string str(const SettingValue& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

Settings::Settings(std::string who, std::vector<Setting> list, Given given)
    : who_(std::move(who)), list_(std::move(list)) {
  for (const Setting& s : list_) values_.push_back(s.usual);
  for (const auto& [name, value] : given) set(name, value);
}

bool Settings::has(std::string_view name) const {
  return std::ranges::find(list_, name, &Setting::name) != list_.end();
}

std::size_t Settings::position(std::string_view name) const {
  const auto found = std::ranges::find(list_, name, &Setting::name);
  if (found != list_.end()) return static_cast<std::size_t>(found - list_.begin());
  std::vector<std::string_view> names;
  for (const Setting& s : list_) names.push_back(s.name);
  throw UsageError("[settings] {} has no '{}'; it has: {}", who_, name,
                   names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

template <class T>
const T& Settings::value_as(std::string_view name) const {
  const SettingValue& there = value(name);
  if (const T* as = std::get_if<T>(&there)) return *as;
  throw UsageError("[settings] {}: {} is {}, not {}", who_, name, kinds[there.index()],
                   kinds[SettingValue(T{}).index()]);
}
template const bool& Settings::value_as<bool>(std::string_view) const;
template const std::int64_t& Settings::value_as<std::int64_t>(std::string_view) const;
template const double& Settings::value_as<double>(std::string_view) const;
template const std::string& Settings::value_as<std::string>(std::string_view) const;

void Settings::set(std::string_view name, const SettingValue& given) {
  const std::size_t at = position(name);
  const Setting& s = list_[at];
  SettingValue value = given;
  if (const auto* whole = std::get_if<std::int64_t>(&given); whole && std::holds_alternative<double>(s.usual))
    value = static_cast<double>(*whole);
  if (value.index() != s.usual.index()) {
    throw UsageError("[settings] {}: {} {}; allowed: {}", who_, name, str(given), kinds[s.usual.index()]);
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text && !s.allowed.empty() && std::ranges::find(s.allowed, *text) == s.allowed.end())
    throw UsageError("[settings] {}: {} '{}'; allowed: {}", who_, name, *text, fmt::join(s.allowed, ", "));
  const auto* whole = std::get_if<std::int64_t>(&value);
  const auto* number = std::get_if<double>(&value);
  const double x = whole ? static_cast<double>(*whole) : number ? *number : s.low;
  if (!text && !std::holds_alternative<bool>(value) && !(s.low <= x && x <= s.high))
    throw UsageError("[settings] {}: {} {}; allowed: {} to {}{}{}", who_, name, str(value), s.low, s.high,
                     s.why.empty() ? "" : ", for ", s.why);
  values_[at] = value;
}

}  // namespace weft
