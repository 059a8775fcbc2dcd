// JSON: what is read is what was written, as nlohmann's library has it, and what is refused.

#include "weft/io/json.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.h"
#include "weft/core/random.h"

using namespace weft;

namespace {

/// Draws values, the same here and for the library.
class Draws {
 public:
  explicit Draws(std::uint64_t trial) : key_(RandomKey(1, "json").at(trial)) {}

  std::pair<Json, nlohmann::ordered_json> value(int depth) {
    switch (below(depth > 0 ? 9 : 7)) {
      case 0:
        return {Json(), nullptr};
      case 1:
        return {Json(true), true};
      case 2: {
        const auto n = static_cast<std::int64_t>(below(1000)) - 500;
        return {Json(n), n};
      }
      case 3:
        return {Json(std::numeric_limits<std::uint64_t>::max()), std::numeric_limits<std::uint64_t>::max()};
      case 4: {
        const double x = (static_cast<double>(below(1000)) - 500) / 8;
        return {Json(x), x};
      }
      case 5: {
        const std::string text = fmt::format("a\"b\\\n\x01 {} \xc3\xbc", below(10));
        return {Json(text), text};
      }
      case 6:
        return {Json(""), ""};
      case 7: {
        std::pair<Json::List, nlohmann::ordered_json> all{{}, nlohmann::ordered_json::array()};
        for (auto n = below(4); n > 0; --n) {
          auto [ours, theirs] = value(depth - 1);
          all.first.push_back(std::move(ours));
          all.second.push_back(std::move(theirs));
        }
        return {Json(std::move(all.first)), std::move(all.second)};
      }
      default: {
        std::pair<Json::Object, nlohmann::ordered_json> all{{}, nlohmann::ordered_json::object()};
        for (auto n = below(4); n > 0; --n) {
          auto [ours, theirs] = value(depth - 1);
          const std::string name = fmt::format("key {}", n);
          all.first.emplace_back(name, std::move(ours));
          all.second[name] = std::move(theirs);
        }
        return {Json(std::move(all.first)), std::move(all.second)};
      }
    }
  }

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(uniform_index(key_, drawn_++, n)); }

  RandomKey key_;
  std::uint64_t drawn_ = 0;
};

}  // namespace

TEST_CASE("values are written as nlohmann's library writes them, and read again as they were") {
  for (std::uint64_t trial = 0; trial < 3000; ++trial) {
    const auto [ours, theirs] = Draws(trial).value(4);
    CHECK(ours.dump() == theirs.dump());
    CHECK(ours.dump(2) == theirs.dump(2));
    CHECK(Json::parse(ours.dump()) == ours);
    CHECK(Json::parse(ours.dump(2)) == ours);
  }
}

TEST_CASE("parts of a value") {
  const Json json = Json::parse(R"({"a": [1, -2, 2.5, "x", true, null], "b": {}})");
  const Json::List& list = *json.find("a")->list();
  CHECK(*list[0].natural() == 1);
  CHECK(list[0].whole() == 1);
  CHECK(!list[1].natural());
  CHECK(list[1].whole() == -2);
  CHECK(!list[2].whole());
  CHECK(*list[3].text() == "x");
  CHECK(*list[4].boolean());
  CHECK(list[5] == Json());
  CHECK(json.find("b")->object()->empty());
  CHECK(!json.find("c"));
  CHECK(!list[0].find("a"));
  CHECK(!Json(std::numeric_limits<std::uint64_t>::max()).whole());
  CHECK(Json(std::numeric_limits<double>::infinity()).dump() == "null");  // JSON has no such number
}

TEST_CASE("what is no JSON is refused") {
  CHECK_THROWS_WITH_AS(Json::parse(""), "unexpected text before byte 1", FormatError);
  CHECK_THROWS_WITH_AS(Json::parse("[1, 2"), "unexpected text before byte 6", FormatError);
  CHECK_THROWS_AS(Json::parse("{\"a\": 1} x"), FormatError);
  CHECK_THROWS_AS(Json::parse("\"\xff\""), FormatError);
  CHECK_THROWS_AS(Json::parse("1e999"), FormatError);
  CHECK_THROWS_WITH_AS(Json::parse(R"({"a": 1, "a": 2})"), "an object has 'a' twice", FormatError);
  CHECK_THROWS_WITH_AS(Json::parse(std::string("1\0", 2)), "byte 1 is NUL", FormatError);
  CHECK(Json::parse(std::string(100, '[') + std::string(100, ']')).list());
  CHECK_THROWS_WITH_AS(Json::parse(std::string(101, '[')), "a value more than 100 deep", FormatError);
  CHECK_THROWS_WITH_AS(Json("\xff").dump(), "[json] '\\xff' is not UTF-8", UsageError);
}
