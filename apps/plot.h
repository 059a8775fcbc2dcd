#pragma once
// Plots as inline SVG: they open without a network and diff as text.

#include <string>
#include <utility>
#include <vector>

namespace weft::apps {

/// Colours of series, distinguishable for the colour-blind (Okabe and Ito).
const char* series_colour(std::size_t i);

/// Text for HTML and SVG.
std::string escaped(const std::string& text);

/// One pair of axes. Series get the colours in order unless one is named.
class Plot {
 public:
  struct Range {
    double low, high;
  };
  Plot(std::string title, std::string x_label, Range x, std::string y_label, Range y);

  using Points = std::vector<std::pair<double, double>>;
  /// Dots; each tells its numbers when pointed at.
  void add_dots(const std::string& name, const Points& points, std::size_t colour);
  void add_line(const std::string& name, const Points& points, std::size_t colour, bool markers = false);
  /// A dashed straight line without a name.
  void add_guide(std::pair<double, double> from, std::pair<double, double> to);
  /// Bars from 0, each [left, right) x height.
  void add_bars(const std::vector<std::pair<Range, double>>& bars, std::size_t colour);

  std::string svg() const;

 private:
  double x_at(double x) const;
  double y_at(double y) const;

  std::string title_, x_label_, y_label_;
  Range x_, y_;
  std::string body_;
  std::vector<std::pair<std::string, std::size_t>> names_;
};

/// Round steps for about five ticks in a range.
std::vector<double> ticks(double low, double high);

}  // namespace weft::apps
