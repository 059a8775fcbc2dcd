#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/ranges.h>

#include "weft/core/random.h"
#include "weft/io/csv.h"
#include "weft/zoo/store_format.h"

namespace weft {

const char* name(ZooPart split) {
  switch (split) {
    case ZooPart::train:
      return "train";
    case ZooPart::val:
      return "val";
    case ZooPart::test:
      return "test";
  }
  return "?";
}

std::vector<ZooSplits> draw_splits(std::int64_t networks, std::uint64_t seed) {
  std::vector<ZooSplits> all(static_cast<std::size_t>(networks));
  const auto share = static_cast<std::size_t>((networks * 15 + 50) / 100);
  for (std::size_t k = 0; k < ZooSplits{}.size(); ++k) {
    const auto order = permutation(networks, RandomKey(seed, "zoo splits").at(k));
    for (std::size_t i = 0; i < order.size(); ++i)
      all[static_cast<std::size_t>(order[i])][k] = i < share       ? ZooPart::test
                                                   : i < 2 * share ? ZooPart::val
                                                                   : ZooPart::train;
  }
  return all;
}

namespace zoo_format {
namespace {

/// The fields of one row, from left to right.
class Fields {
 public:
  Fields(const Csv& csv, std::size_t row, const std::filesystem::path& path) : csv_(csv), row_(row), path_(path) {}

  std::string_view text() { return csv_.text(row_, at_++); }
  double number() { return csv_.number(row_, at_++); }
  /// An integer in [first, end).
  std::int64_t integer(std::int64_t first, std::int64_t end) {
    const std::int64_t value = csv_.integer(row_, at_);
    if (value < first || value >= end) refuse(fmt::format("{} to {}", first, end - 1));
    ++at_;
    return value;
  }
  /// The place of a text in a list.
  std::int64_t one_of(const std::vector<std::string>& list) {
    const auto found = std::find(list.begin(), list.end(), csv_.text(row_, at_));
    if (found == list.end()) refuse(fmt::format("{}", fmt::join(list, ", ")));
    ++at_;
    return found - list.begin();
  }
  ZooPart split() {
    for (ZooPart s : {ZooPart::train, ZooPart::val, ZooPart::test}) {
      if (csv_.text(row_, at_) != name(s)) continue;
      ++at_;
      return s;
    }
    refuse("train, val, test");
  }
  /// The next field, which must be `expected`.
  void same(std::string_view expected) {
    if (csv_.text(row_, at_) != expected) refuse(in_quotes(expected));
    ++at_;
  }
  [[noreturn]] void refuse(const std::string& allowed) const {
    fail(path_, "line {}: column {} has {}; allowed: {}", csv_.line(row_), in_quotes(csv_.names()[at_]),
         in_quotes(csv_.text(row_, at_)), allowed);
  }

 private:
  const Csv& csv_;
  std::size_t row_, at_ = 0;
  const std::filesystem::path& path_;
};

/// A number of each row that no other row may have: told once all rows are read, so that a table of half a million is
/// sorted once instead of hashed row by row.
class Keys {
 public:
  explicit Keys(std::size_t rows) { keys_.reserve(rows); }
  void add(std::int64_t key) { keys_.emplace_back(key, keys_.size()); }
  /// The first row whose number an earlier one has.
  std::optional<std::size_t> second_time() {
    std::ranges::sort(keys_);
    std::optional<std::size_t> first;
    for (std::size_t i = 1; i < keys_.size(); ++i)
      if (keys_[i].first == keys_[i - 1].first && (!first || keys_[i].second < *first)) first = keys_[i].second;
    return first;
  }

 private:
  std::vector<std::pair<std::int64_t, std::size_t>> keys_;
};

void check_header(const Csv& csv, const std::filesystem::path& path, const std::vector<Column>& expected) {
  if (csv.columns() != expected.size())
    fail(path, "{} columns; {} has {}", csv.columns(), description_file, expected.size());
  for (std::size_t c = 0; c < expected.size(); ++c)
    if (csv.names()[c] != expected[c].name)
      fail(path, "column {} is {}; {} has {} there", c, in_quotes(csv.names()[c]), description_file,
           in_quotes(expected[c].name));
}

}  // namespace

std::string table_text(const ZooDescription& description, std::span<const ZooRow> rows) {
  CsvWriter out;
  for (const Column& c : columns(description)) out.add(c.name);
  out.end_row();
  for (const ZooRow& row : rows) {
    out.add(row.id).add(row.network).add(row.epoch);
    if (!description.checkpoints.empty()) out.add(description.checkpoints[static_cast<std::size_t>(row.checkpoint)]);
    for (ZooPart split : row.splits) out.add(name(split));
    out.add(row.diverged ? "1" : "0");
    for (const Measure& m : measures(description)) out.add(row.*m.value);
    out.add(description.seed);
    for (const HyperParameter& h : description.hyper_parameters)
      out.add(h.values[static_cast<std::size_t>(row.network)]);
    out.end_row();
  }
  return out.text();
}

std::vector<ZooRow> read_table(const std::filesystem::path& path, ZooDescription& description) {
  const Csv csv = Csv::read(path, Csv::Header::first_row);
  check_header(csv, path, columns(description));
  const ZooRange range = description.range();
  if (range.networks() > static_cast<std::int64_t>(csv.rows()))
    fail(path, "{} rows for {} networks; allowed: one or more for each", csv.rows(), range.networks());
  const std::string seed = fmt::format("{}", description.seed);
  std::vector<const ZooRow*> first(static_cast<std::size_t>(description.networks));
  const std::int64_t sharing = networks_a_split(description);
  std::vector<const ZooRow*> first_sharing(static_cast<std::size_t>(description.networks / sharing));
  for (HyperParameter& h : description.hyper_parameters) h.values.assign(first.size(), {});
  std::vector<ZooRow> rows(csv.rows());
  Keys ids(rows.size()), checkpoints(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    ZooRow& row = rows[r];
    Fields fields(csv, r, path);
    row.id = fields.integer(0, index_end);
    ids.add(row.id);
    row.network = fields.integer(range.first, range.end);
    row.epoch = fields.integer(0, index_end);
    if (!description.checkpoints.empty()) row.checkpoint = fields.one_of(description.checkpoints);
    const auto [of_network, at] = key_of(description, row);
    checkpoints.add(of_network * index_end + at);
    const auto network = static_cast<std::size_t>(row.network);
    const bool is_first = !first[network];
    if (is_first) first[network] = &row;
    const ZooRow*& with_splits = first_sharing[static_cast<std::size_t>(row.network / sharing)];
    if (with_splits) row.splits = with_splits->splits;
    for (ZooPart& split : row.splits)
      if (with_splits)
        fields.same(name(split));
      else
        split = fields.split();
    if (!with_splits) with_splits = &row;
    row.diverged = fields.integer(0, 2) == 1;
    for (const Measure& m : measures(description)) row.*m.value = fields.number();
    if (const std::string wrong = out_of_range(description, row); !wrong.empty())
      fail(path, "line {}: id {} has {}", csv.line(r), row.id, wrong);
    fields.same(seed);
    for (HyperParameter& h : description.hyper_parameters)
      if (is_first)
        h.values[network] = fields.text();
      else
        fields.same(h.values[network]);
  }
  if (const auto r = ids.second_time()) fail(path, "line {}: id {} a second time", csv.line(*r), rows[*r].id);
  if (const auto r = checkpoints.second_time())
    fail(path, "line {}: {} of network {} a second time", csv.line(*r), called(description, rows[*r]),
         rows[*r].network);
  for (std::int64_t n = range.first; n < range.end; ++n)
    if (!first[static_cast<std::size_t>(n)]) fail(path, "network {} of {} has no row", n, first.size());
  return rows;
}

}  // namespace zoo_format
}  // namespace weft
