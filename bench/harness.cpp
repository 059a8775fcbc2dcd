#include "weft/bench/harness.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "weft/core/clock.h"
#include "weft/core/error.h"
#include "weft/core/isa.h"
#include "weft/core/parallel.h"

namespace weft::bench {
namespace {

double seconds(const std::function<void()>& body, std::int64_t calls) {
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < calls; ++i) body();
  return seconds_since(start) / static_cast<double>(calls);
}

double giga(double work, double time) { return work / time * 1e-9; }

}  // namespace

Harness::Harness(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      json_ = true;
    } else if (argument == "--repeats" && i + 1 < argc) {
      const std::string_view text = argv[++i];
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), repeats_);
      if (error != std::errc() || rest != text.data() + text.size() || repeats_ < 1)
        throw UsageError("[bench] --repeats {}; allowed: whole numbers from 1 to 2147483647", text);
    } else if (argument.starts_with("-")) {
      throw UsageError("[bench] option {}; allowed: --json, --repeats N, and a part of the names to run", argument);
    } else {
      filter_ = argument;
    }
  }
}

void Harness::measure(const std::string& name, Work work, const std::function<void()>& body) {
  if (!wants(name)) return;
  body();
  const auto calls = std::max<std::int64_t>(1, static_cast<std::int64_t>(1e-3 / seconds(body, 3)));
  std::vector<double> times;
  for (int i = 0; i < repeats_; ++i) times.push_back(seconds(body, calls));
  std::sort(times.begin(), times.end());
  rows_.push_back({name, work, times.front(), times[times.size() / 2]});
}

void Harness::print() const {
  if (json_) {
    fmt::print("{{\"isa\": \"{}\", \"threads\": {}, \"cases\": [", weft::name(isa()), threads());
    for (std::size_t i = 0; i < rows_.size(); ++i)
      fmt::print(
          "{}\n  {{\"name\": \"{}\", \"min_s\": {:.9g}, \"median_s\": {:.9g}, \"gflops\": {:.4g}, \"gbytes_s\": "
          "{:.4g}, \"items_s\": {:.6g}}}",
          i ? "," : "", rows_[i].name, rows_[i].min, rows_[i].median, giga(rows_[i].work.flops, rows_[i].min),
          giga(rows_[i].work.bytes, rows_[i].min), rows_[i].work.items / rows_[i].min);
    fmt::print("\n]}}\n");
    return;
  }
  fmt::print("{}, {} threads\n{:<44} {:>11} {:>11} {:>9} {:>9} {:>10}\n", weft::name(isa()), threads(), "case",
             "min us", "median us", "GFLOP/s", "GB/s", "items/s");
  for (const Row& row : rows_)
    fmt::print("{:<44} {:>11.2f} {:>11.2f} {:>9.1f} {:>9.1f} {:>10.0f}\n", row.name, row.min * 1e6, row.median * 1e6,
               giga(row.work.flops, row.min), giga(row.work.bytes, row.min), row.work.items / row.min);
}

}  // namespace weft::bench
