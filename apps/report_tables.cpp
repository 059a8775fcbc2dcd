#include "weft/apps/report_tables.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/plot.h"
#include "weft/io/text.h"

namespace weft::apps {

std::string label(const ReportRun& run) {
  const std::string of_task = run.task == tasks().front()->name ? "" : ", " + run.task;
  return run.model + of_task + (run.judged.on.warning.empty() ? "" : " *");
}

std::vector<std::pair<std::string, std::vector<const ReportRun*>>> by_model(const std::vector<ReportRun>& runs) {
  std::vector<std::pair<std::string, std::vector<const ReportRun*>>> models;
  for (const ReportRun& run : runs) {
    auto at = std::find_if(models.begin(), models.end(), [&](const auto& m) {
      return m.first == label(run) && m.second.front()->settings == run.settings;
    });
    if (at == models.end()) at = models.insert(models.end(), {label(run), {}});
    at->second.push_back(&run);
  }
  std::map<std::string, int> count;
  for (const auto& m : models) ++count[m.first];
  for (auto& [name, of_model] : models)
    if (count[name] > 1) name += " in " + utf8_text(of_model.front()->folder);
  return models;
}

std::vector<OfMetric> by_metric(const std::vector<ReportRun>& runs) {
  std::vector<OfMetric> groups;
  for (const ReportRun& run : runs) {
    const Metric& metric = task(run.task).metric;
    auto at = std::ranges::find_if(groups, [&](const OfMetric& g) { return g.metric.of == metric.of; });
    if (at == groups.end()) at = groups.insert(at, {metric, {}});
    at->runs.push_back(run);
  }
  return groups;
}

std::string mean_and_deviation(std::vector<double> values, int digits) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return "-";
  double mean = 0, square = 0;
  for (double v : values) mean += v / static_cast<double>(values.size());
  for (double v : values) square += (v - mean) * (v - mean);
  if (values.size() < 2) return fmt::format("{:.{}f}", mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", mean, digits, std::sqrt(square / static_cast<double>(values.size() - 1)),
                     digits);
}

namespace {

/// The longest of the lists that `list_of` takes from runs: those which weft eval has not seen have none.
template <class ListOf>
auto longest(const std::vector<ReportRun>& runs, const ListOf& list_of) {
  std::decay_t<decltype(list_of(runs.front()))> all;
  for (const ReportRun& run : runs)
    if (list_of(run).size() > all.size()) all = list_of(run);
  return all;
}

std::vector<std::string> columns_of(const std::vector<ReportRun>& runs) {
  return longest(
      runs, [](const ReportRun& run) -> const auto& { return run.judged.columns; });
}

Table score_cells(const OfMetric& group) {
  Table table;
  const std::vector<ReportRun>& runs = group.runs;
  const auto models = by_model(runs);
  table.header = {group.metric.text};
  const std::vector<std::string> columns = columns_of(runs);
  table.header.insert(table.header.end(), columns.begin(), columns.end());
  if (group.metric.ceiling) table.header.emplace_back("ceiling");
  for (const auto& [model, of_model] : models) {
    std::vector<std::string> row{model};
    std::vector<double> values;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      values.clear();
      for (const ReportRun* run : of_model)
        if (c < run->judged.score.size()) values.push_back(run->judged.score[c]);
      row.push_back(mean_and_deviation(values, group.metric.digits));
    }
    values.clear();
    for (const ReportRun* run : of_model)
      if (!run->judged.score.empty()) values.push_back(run->judged.ceiling);
    if (group.metric.ceiling) row.push_back(mean_and_deviation(values));
    if (values.empty()) row[0] += " (not judged yet)";
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// Tau among the better networks, with the number of them: of fewer than 20 it says little.
Table above_cells(const std::vector<ReportRun>& runs) {
  constexpr std::int64_t few = 20;
  Table table{{"among networks above", "networks"}, {}};
  const std::vector<std::string> columns = columns_of(runs);
  const auto bounds = longest(
      runs, [](const ReportRun& run) -> const auto& { return run.judged.above; });
  table.header.insert(table.header.end(), columns.begin(), columns.end());
  for (const auto& [model, of_model] : by_model(runs))
    for (std::size_t a = 0; a < bounds.size(); ++a) {
      std::vector<std::int64_t> networks;
      std::vector<std::vector<double>> values(columns.size());
      for (const ReportRun* run : of_model) {
        if (a >= run->judged.above.size()) continue;
        const Judged::Above& above = run->judged.above[a];
        networks.push_back(above.networks);
        for (std::size_t c = 0; c < values.size() && c < above.tau.size(); ++c) values[c].push_back(above.tau[c]);
      }
      if (networks.empty()) continue;
      const std::int64_t least = *std::min_element(networks.begin(), networks.end());
      std::vector<std::string> row{fmt::format("{}, accuracy {:.0f} %", model, 100 * bounds[a].accuracy),
                                   fmt::format("{}{}", fmt::join(networks, "/"), least < few ? " (few)" : "")};
      for (const auto& column : values) row.push_back(mean_and_deviation(column));
      table.rows.push_back(std::move(row));
    }
  return table;
}

std::string text_of(Table table) {
  table.rows.insert(table.rows.begin(), table.header);
  std::string out;
  // Code points, not bytes: "±" is two bytes wide and one column.
  auto columns = [](const std::string& s) {
    return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  };
  for (const auto& row : table.rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      std::size_t wide = 0;
      for (const auto& other : table.rows) wide = std::max(wide, columns(other[c]));
      const std::string space(wide - columns(row[c]), ' ');
      out += c == 0 ? row[c] + space : "  " + space + row[c];
    }
    out += '\n';
  }
  return out;
}

}  // namespace

std::vector<Table> tables_of(const std::vector<ReportRun>& runs) {
  std::vector<Table> tables;
  for (const OfMetric& group : by_metric(runs)) {
    tables.push_back(score_cells(group));
    if (Table above = above_cells(group.runs); !above.rows.empty()) tables.push_back(std::move(above));
  }
  return tables;
}

std::string html_table(const Table& table) {
  const auto line = [&](const std::vector<std::string>& cells, const std::string& tag) {
    std::string out = "<tr>";
    for (std::size_t c = 0; c < cells.size(); ++c)  // the first one's style says what it is
      out += "<" + tag + (c > 0 && c < table.texts ? " class=\"text\">" : ">") + escaped(cells[c]) + "</" + tag + ">";
    return out + "</tr>\n";
  };
  std::string out = "<table>" + line(table.header, "th");
  for (const auto& row : table.rows) out += line(row, "td");
  return out + "</table>\n";
}

std::vector<std::string> warnings(const std::vector<ReportRun>& runs) {
  std::vector<std::string> lines;
  for (const ReportRun& run : runs)
    if (!run.judged.on.warning.empty())
      lines.push_back(fmt::format("* {}{}: {}", run.model,
                                  run.folder.empty() ? "" : " in '" + utf8_text(run.folder) + "'",
                                  run.judged.on.warning));
  return lines;
}

std::string score_tables(const std::vector<ReportRun>& runs) {
  std::string out;
  for (const Table& table : tables_of(runs)) out += (out.empty() ? "" : "\n") + text_of(table);
  for (const std::string& line : warnings(runs)) out += line + "\n";
  return out;
}

}  // namespace weft::apps
