#include "weft/apps/report_page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "weft/apps/plot.h"
#include "weft/apps/report_tables.h"

namespace weft::apps {
namespace {

constexpr const char* style = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 960px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; margin-bottom: 0; } h2 { font-size: 1.15em; margin: 2em 0 .4em; }
p.lead { color: #555; margin-top: .2em; }
table { border-collapse: collapse; margin: .6em 0; } th, td { padding: .25em .8em; text-align: right; }
th { border-bottom: 2px solid #444; font-weight: 600; } td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
.pictures td { padding: .15em; }
.plots { display: flex; flex-wrap: wrap; gap: 1em; } svg { max-width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: #333; } svg text.title { font-size: 13px; font-weight: 600; }
.grid { stroke: #e4e4e4; } .axis { stroke: #444; fill: none; }
.pass { color: #00734f; font-weight: 600; } .fail { color: #b00020; font-weight: 600; }
)";

/// Of networks moved with strengths k = 0, 1, …
std::vector<double> by_strength(const Judged& judged) {
  std::vector<double> scores;
  for (std::size_t c = 0; c < judged.columns.size(); ++c)
    if (judged.columns[c].starts_with("k = ")) scores.push_back(judged.score[c]);
  return scores;
}

std::string score_against_strength(const OfMetric& group) {
  double low = 0, high = 1;
  std::size_t strengths = 0;
  for (const ReportRun& run : group.runs) {
    const std::vector<double> scores = by_strength(run.judged);
    for (const double score : scores) low = std::fmin(low, score);  // a NaN is passed over
    strengths = std::max(strengths, scores.size());
  }
  if (strengths < 2) return {};
  Plot plot(fmt::format("{} on moved networks", group.metric.text), "scales U[1, 10^k]",
            {0, static_cast<double>(strengths - 1)}, group.metric.text, {std::floor(low * 5) / 5, high});
  std::size_t colour = 0;
  for (const auto& [model, runs] : by_model(group.runs)) {
    Plot::Points points;
    for (std::size_t k = 0; k < strengths; ++k) {
      double sum = 0, judged = 0;
      for (const ReportRun* run : runs)
        if (const auto scores = by_strength(run->judged); k < scores.size() && !std::isnan(scores[k]))
          sum += scores[k], judged += 1;
      if (judged > 0) points.emplace_back(static_cast<double>(k), sum / judged);
    }
    plot.add_line(model, points, colour++, true);
  }
  return plot.svg();
}

std::string learning_curves(const OfMetric& group) {
  std::size_t epochs = 2;
  double low = 0, high = group.metric.highest ? 1 : 0;
  for (const ReportRun& run : group.runs) {
    epochs = std::max(epochs, run.log.size());
    for (const Trainer::Epoch& row : run.log) {  // a NaN is passed over
      low = std::fmin(low, validation_metric(row));
      high = std::fmax(high, validation_metric(row));
    }
  }
  Plot plot("Learning curves", "epoch", {1, static_cast<double>(epochs)},
            fmt::format("validation {}", group.metric.name), {std::floor(low * 5) / 5, high});
  std::size_t colour = 0;
  for (const auto& [model, runs] : by_model(group.runs)) {
    Plot::Points points;
    for (const Trainer::Epoch& row : runs[0]->log)
      points.emplace_back(static_cast<double>(row.epoch), validation_metric(row));
    plot.add_line(model, points, colour++, points.size() == 1);  // a solved model is a point
  }
  return plot.svg();
}

/// "magep: tau 0.912"
std::string judged_label(const ReportRun& run) {
  std::vector<double> as_they_are;
  if (!run.judged.score.empty()) as_they_are.push_back(run.judged.score[0]);
  const Metric& metric = task(run.task).metric;
  return fmt::format("{}: {} {}", label(run), metric.name, mean_and_deviation(as_they_are, metric.digits));
}

/// How many networks of each class are taken for which.
std::string confusion(const ReportRun& run) {
  std::set<double> classes(run.judged.truth.begin(), run.judged.truth.end());
  std::map<std::pair<double, double>, std::int64_t> networks;
  for (std::size_t i = 0; i < run.judged.truth.size(); ++i) {
    classes.insert(run.judged.predicted[0][i]);
    ++networks[{run.judged.truth[i], run.judged.predicted[0][i]}];
  }
  Table table{{"true, predicted"}, {}};
  for (const double predicted : classes) table.header.push_back(fmt::format("{}", predicted));
  for (const double truth : classes) {
    std::vector<std::string>& row = table.rows.emplace_back(1, fmt::format("{}", truth));
    for (const double predicted : classes) row.push_back(fmt::format("{}", networks[{truth, predicted}]));
  }
  return "<div><p>" + escaped(judged_label(run)) + "</p>\n" + html_table(table) + "</div>\n";
}

std::string scatter(const ReportRun& run, std::size_t colour) {
  const Task& learnt = task(run.task);
  const Plot::Range range{learnt.low, learnt.high};
  Plot plot(judged_label(run), fmt::format("true {}", learnt.name), range, "predicted", range);
  Plot::Points points;
  for (std::size_t i = 0; i < run.judged.truth.size(); ++i)
    points.emplace_back(run.judged.truth[i], run.judged.predicted[0][i]);
  plot.add_guide({learnt.low, learnt.low}, {learnt.high, learnt.high});
  plot.add_dots(run.model, points, colour);
  return plot.svg();
}

/// How the numbers that were measured on the zoo's networks spread, in bars of equal width.
std::string distribution(const char* title, const char* what, Plot::Range range, int bins,
                         const std::vector<double>& numbers) {
  if (numbers.empty()) return {};
  const double width = (range.high - range.low) / bins;
  std::vector<double> counts(static_cast<std::size_t>(bins), 0.);
  for (const double x : numbers)
    counts[static_cast<std::size_t>(std::clamp(static_cast<int>((x - range.low) / width), 0, bins - 1))] += 1;
  std::vector<std::pair<Plot::Range, double>> bars;
  for (int i = 0; i < bins; ++i)
    bars.push_back({{range.low + i * width, range.low + (i + 1) * width}, counts[static_cast<std::size_t>(i)]});
  Plot plot(title, what, range, "networks", {0, std::max(1., 1.1 * *std::max_element(counts.begin(), counts.end()))});
  plot.add_bars(bars, 0);
  return plot.svg();
}

std::string distributions(const Report& report) {
  std::string out = distribution("Test accuracy of the zoo's networks", "accuracy", {0, 1}, 20, report.accuracies);
  if (report.psnr.empty()) return out;
  const auto [low, high] = std::ranges::minmax(report.psnr);
  return out + distribution("How well the zoo's networks show their images", "PSNR in dB",
                            {std::floor(low), std::floor(high) + 1}, 20, report.psnr);
}

std::string pictures(const Report& report) {
  std::string out;
  for (const ReportPictures& p : report.pictures) out += "<h2>" + escaped(p.title) + "</h2>\n" + picture_table(p.rows);
  return out;
}

std::string verification(const Report& report) {
  std::string rows;
  for (const ReportRun& run : report.runs)
    for (const VerifyRow& row : run.verified)
      rows += fmt::format(
          "<tr><td>{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{:.1e}</td><td>{} {:.0e}</td><td "
          "class=\"{}\">{}</td></tr>\n",
          escaped(run.model), escaped(row.check), escaped(row.group), row.error, row.control ? "&gt;" : "&lt;",
          row.bound, row.passed ? "pass" : "fail", row.passed ? "PASS" : "FAIL");
  if (rows.empty()) return {};
  return "<h2>Equivariance</h2>\n<p>The group acts in float64. A negative control is an element that is no symmetry: "
         "it must change the "
         "output.</p>\n<table><tr><th>model</th><th class=\"text\">check</th><th "
         "class=\"text\">group</th><th>error</th><th>bound</th>"
         "<th></th></tr>\n" +
         rows + "</table>\n";
}

Table costs(const Report& report) {
  Table table{{"model", "settings", "split", "parameters", "best epoch", "step (GFLOP)", "step (ms)", "training (s)",
               "peak memory (MiB)"},
              {},
              2};
  for (const ReportRun& run : report.runs)
    table.rows.push_back({label(run), run.own_settings, std::to_string(run.split), std::to_string(run.parameters),
                          std::to_string(run.best_epoch), fmt::format("{:.3g}", run.step_gflop),
                          fmt::format("{:.2f}", run.step_milliseconds), fmt::format("{:.1f}", run.train_seconds),
                          fmt::format("{:.1f}", run.peak_mib)});
  return table;
}

/// What the page's models do.
std::string lead(const Report& report) {
  const auto edits = [](const ReportRun& run) { return task(run.task).image != nullptr; };
  const std::string moved = "as it is and moved by group elements that leave its function unchanged.";
  if (std::ranges::all_of(report.runs, edits))
    return "Editing what an implicit network shows, through its weights alone, " + moved;
  const bool both = std::ranges::any_of(report.runs, edits);
  return "Predicting numbers about a network, as its test accuracy, or its class, from its weights alone" +
         std::string(both ? ", and editing what it shows, " : ", ") + moved;
}

}  // namespace

std::string report_page(const Report& report) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + escaped(report.title) +
                    "</title><style>" + style + "</style></head><body>\n<h1>" + escaped(report.title) + "</h1>\n";
  out += "<p class=\"lead\">" + lead(report) + "</p>\n";
  for (const Table& table : tables_of(report.runs)) out += html_table(table);
  for (const std::string& line : warnings(report.runs)) out += "<p class=\"fail\">" + escaped(line) + "</p>\n";
  out += "<div class=\"plots\">\n";
  for (const OfMetric& group : by_metric(report.runs)) out += score_against_strength(group) + learning_curves(group);
  out += "</div>\n";
  std::string predicted;
  std::size_t colour = 0;
  for (const auto& [model, runs] : by_model(report.runs)) {
    const Task& learnt = task(runs[0]->task);
    if (!learnt.image) predicted += learnt.classes ? confusion(*runs[0]) : scatter(*runs[0], colour);
    ++colour;
  }
  if (!predicted.empty())
    out +=
        "<h2>Predicted against true, test networks as they are</h2>\n<div class=\"plots\">\n" + predicted + "</div>\n";
  out += pictures(report) + "<h2>The zoo</h2>\n<div class=\"plots\">\n" + distributions(report) + "<table>";
  for (const auto& [name, value] : report.zoo)
    out += fmt::format("<tr><td>{}</td><td class=\"text\">{}</td></tr>", escaped(name), escaped(value));
  out += "</table></div>\n" + verification(report) + "<h2>Cost</h2>\n" + html_table(costs(report));
  if (!report.seconds.empty()) {
    Table times{{"part", "seconds"}, {}};
    for (const auto& [part, seconds] : report.seconds) times.rows.push_back({part, fmt::format("{:.1f}", seconds)});
    out += html_table(times);
  }
  return out + "</body></html>\n";
}

}  // namespace weft::apps
