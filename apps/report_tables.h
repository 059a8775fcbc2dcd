#pragma once
// The report's runs in groups, and its tables as HTML and as text.

#include <string>
#include <utility>
#include <vector>

#include "weft/apps/report_page.h"

namespace weft::apps {

/// The model, what it learnt where that is not the usual, with a star where its judgement has a warning: such runs are
/// not averaged with others.
std::string label(const ReportRun& run);

/// Runs of one model that differ in their split alone, in the order in which they appear. Models that stand twice, for
/// they differ in more, are told apart by a folder.
std::vector<std::pair<std::string, std::vector<const ReportRun*>>> by_model(const std::vector<ReportRun>& runs);

/// Runs whose tasks have one metric.
struct OfMetric {
  Metric metric;
  std::vector<ReportRun> runs;
};
std::vector<OfMetric> by_metric(const std::vector<ReportRun>& runs);

/// "0.912" or, of several, "0.912 ± 0.013", without those that are no number; "-" where none is.
std::string mean_and_deviation(std::vector<double> values, int digits = 3);

/// Header, then one row of cells per model.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::size_t texts = 1;  ///< columns, the first ones, that hold no numbers
};
std::string html_table(const Table& table);

/// Scores of all runs, and tau among better networks, metric by metric.
std::vector<Table> tables_of(const std::vector<ReportRun>& runs);

}  // namespace weft::apps
