#include "weft/apps/numbers.h"

#include <charconv>

#include <fmt/format.h>

namespace weft::apps {
namespace {

std::string because(const std::string& why) { return why.empty() ? "" : ": " + why; }

/// All of the text as one number. What is a number, but too large for its type, is out of range.
template <class Number>
std::errc read(const std::string& text, Number& n) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, n);
  return error == std::errc::invalid_argument || rest != end ? std::errc::invalid_argument : error;
}

}  // namespace

template <class Integer>
CLI::Validator whole(Integer low, Integer high, const std::string& why) {
  auto check = [=](std::string& text) -> std::string {
    Integer n{};
    const std::errc error = read(text, n);
    if (error != std::errc() || n < low || n > high)
      return fmt::format("{}; allowed: whole numbers from {} to {}{}", text, low, high, because(why));
    text = std::to_string(n);
    return {};
  };
  return CLI::Validator(check, "");
}
template CLI::Validator whole(std::int64_t, std::int64_t, const std::string&);
template CLI::Validator whole(std::uint64_t, std::uint64_t, const std::string&);

CLI::Validator real(double low, double high, const std::string& why) {
  auto check = [=](const std::string& text) -> std::string {
    double x = 0;
    if (read(text, x) == std::errc() && low <= x && x <= high) return {};
    return fmt::format("{}; allowed: numbers from {} to {}{}", text, low, high, because(why));
  };
  return CLI::Validator(check, "");
}

CLI::Validator positive(double high, const std::string& why) {
  auto check = [=](const std::string& text) -> std::string {
    double x = 0;
    if (read(text, x) == std::errc() && x > 0 && x <= high) return {};
    return high < std::numeric_limits<double>::max()
               ? fmt::format("{}; allowed: numbers above 0, at most {}{}", text, high, because(why))
               : fmt::format("{}; allowed: finite numbers above 0", text);
  };
  return CLI::Validator(check, "");
}

CLI::Validator networks_limit() { return whole<std::int64_t>(1, 1'000'000, "all are trained at once"); }
CLI::Validator items_limit() { return whole<std::int64_t>(1, 1'000'000, "all lie in memory, 3 KiB each or more"); }
CLI::Validator epochs_limit() { return whole<std::int64_t>(1, 1'000'000, "their steps are counted in 32 bits"); }
CLI::Validator batch_limit() { return whole<std::int64_t>(1, 1'000'000, "a step holds all of its batch in memory"); }
CLI::Validator strength_limit() { return whole<std::int64_t>(0, 8, "scales beyond 10^8 leave float32"); }
CLI::Validator split_limit() { return whole<std::int64_t>(0, 4, "a zoo has five"); }

}  // namespace weft::apps
