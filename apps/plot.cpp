#include "weft/apps/plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace weft::apps {
namespace {

// Pixels of the drawing and of the margins that hold labels.
constexpr double width = 440, height = 310, left = 54, right = 14, top = 44, bottom = 44;

}  // namespace

const char* series_colour(std::size_t i) {
  constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444"};
  return colours[i % std::size(colours)];
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::vector<double> ticks(double low, double high) {
  const double raw = (high - low) / 5, power = std::pow(10, std::floor(std::log10(raw)));
  double step = power;
  for (const double factor : {2., 5., 10.})
    if (step < raw * 0.999) step = power * factor;
  std::vector<double> at;
  for (double t = std::ceil(low / step - 1e-9) * step; t <= high + step * 1e-9; t += step)
    at.push_back(std::abs(t) < step * 1e-9 ? 0 : t);
  return at;
}

Plot::Plot(std::string title, std::string x_label, Range x, std::string y_label, Range y)
    : title_(std::move(title)), x_label_(std::move(x_label)), y_label_(std::move(y_label)), x_(x), y_(y) {}

double Plot::x_at(double x) const { return left + (x - x_.low) / (x_.high - x_.low) * (width - left - right); }
double Plot::y_at(double y) const {
  return height - bottom - (y - y_.low) / (y_.high - y_.low) * (height - top - bottom);
}

void Plot::add_dots(const std::string& name, const Points& points, std::size_t colour) {
  names_.emplace_back(name, colour);
  for (const auto& [x, y] : points)
    body_ += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\" fill=\"{}\" fill-opacity=\"0.55\"><title>{} {:.3f}, "
        "{:.3f}</title></circle>\n",
        x_at(x), y_at(std::clamp(y, y_.low, y_.high)), series_colour(colour), escaped(name), x, y);
}

void Plot::add_line(const std::string& name, const Points& points, std::size_t colour, bool markers) {
  names_.emplace_back(name, colour);
  std::string path;
  for (const auto& [x, y] : points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x_at(x), y_at(std::clamp(y, y_.low, y_.high)));
  body_ +=
      fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"/>\n", path, series_colour(colour));
  if (!markers) return;
  for (const auto& [x, y] : points)
    body_ += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.2\" fill=\"{}\"><title>{} {:g}: {:.3f}</title></circle>\n", x_at(x),
        y_at(std::clamp(y, y_.low, y_.high)), series_colour(colour), escaped(name), x, y);
}

void Plot::add_guide(std::pair<double, double> from, std::pair<double, double> to) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>\n",
      x_at(from.first), y_at(from.second), x_at(to.first), y_at(to.second));
}

void Plot::add_bars(const std::vector<std::pair<Range, double>>& bars, std::size_t colour) {
  for (const auto& [range, value] : bars)
    body_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"><title>{:g} to {:g}: "
        "{:g}</title></rect>\n",
        x_at(range.low) + 0.5, y_at(value), std::max(0.5, x_at(range.high) - x_at(range.low) - 1),
        y_at(0) - y_at(value), series_colour(colour), range.low, range.high, value);
}

std::string Plot::svg() const {
  const double x0 = left, x1 = width - right, y0 = height - bottom, y1 = top;
  std::string out =
      fmt::format("<svg viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{}\">\n", width,
                  height, width, height, escaped(title_));
  out += fmt::format("<text x=\"{}\" y=\"16\" class=\"title\">{}</text>\n", x0, escaped(title_));
  for (const double t : ticks(x_.low, x_.high))
    out += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" class=\"grid\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\">{4:g}</text>\n",
        x_at(t), y0, y1, y0 + 15, t);
  for (const double t : ticks(y_.low, y_.high))
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\" class=\"grid\"/><text x=\"{3}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5:g}</text>\n",
        x0, y_at(t), x1, x0 - 6, y_at(t) + 4, t);
  out += body_;
  out += fmt::format("<path d=\"M{} {} L{} {} L{} {}\" class=\"axis\"/>\n", x0, y1, x0, y0, x1, y0);
  out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (x0 + x1) / 2, height - 8,
                     escaped(x_label_));
  out += fmt::format("<text transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                     (y0 + y1) / 2, escaped(y_label_));
  // The legend stands in the corner that the title leaves free, names from the right.
  double at = x1;
  for (auto name = names_.rbegin(); names_.size() > 1 && name != names_.rend(); ++name) {
    at -= 7.0 * static_cast<double>(name->first.size()) + 22;
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{}\" r=\"4\" fill=\"{}\"/><text x=\"{:.1f}\" y=\"{}\">{}</text>\n",
                       at, y1 - 12, series_colour(name->second), at + 8, y1 - 8, escaped(name->first));
  }
  return out + "</svg>\n";
}

}  // namespace weft::apps
