#include "weft/io/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/ranges.h>

#include "weft/core/error.h"
#include "weft/io/gzip.h"
#include "weft/io/text.h"

namespace weft {
namespace {

constexpr bool ends_bare_field(char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; }

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

template <class... Args>
[[noreturn]] void fail(std::string_view file, std::size_t line, fmt::format_string<Args...> message, Args&&... args) {
  throw FormatError("[csv] {}, line {}: {}", in_quotes(file), line, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace

class Csv::Parser {
 public:
  Parser(std::string_view text, Csv& csv) : text_(text), csv_(csv) {}

  void run() {
    csv_.text_.reserve(text_.size());
    if (text_.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    while (at_ < text_.size()) row();
  }

 private:
  void row() {
    csv_.lines_.push_back(line_);
    std::size_t fields = 0;
    do {
      if (at_ < text_.size() && text_[at_] == '"')
        quoted_field();
      else
        bare_field();
      csv_.ends_.push_back(csv_.text_.size());
      ++fields;
    } while (take(','));
    end_of_line();
    const std::size_t line = csv_.lines_.back();
    if (csv_.lines_.size() == 1) csv_.columns_ = fields;
    if (fields != csv_.columns_)
      fail(csv_.file_, line, "{} fields; allowed: {}, as in the first row", fields, csv_.columns_);
  }

  void bare_field() {
    std::size_t end = at_;  // find_first_of() takes three times as long
    while (end < text_.size() && !ends_bare_field(text_[end])) ++end;
    csv_.text_ += text_.substr(at_, end - at_);
    at_ = end;
    if (at_ < text_.size() && text_[at_] == '"')
      fail(csv_.file_, line_, "a quote inside a bare field; put the whole field in quotes and write the quote twice");
  }

  void quoted_field() {
    const std::size_t begun = line_;
    for (++at_;; ++at_) {
      const std::size_t end = text_.find('"', at_);
      if (end == text_.npos) fail(csv_.file_, begun, "a quote is opened and never closed");
      const std::string_view part = text_.substr(at_, end - at_);
      line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
      csv_.text_ += part;
      at_ = end + 1;
      if (at_ >= text_.size() || text_[at_] != '"') break;
      csv_.text_ += '"';
    }
    if (at_ < text_.size() && std::string_view(",\r\n").find(text_[at_]) == std::string_view::npos)
      fail(csv_.file_, line_, "text behind a closing quote; allowed: a comma or the end of the line");
  }

  void end_of_line() {
    const bool carriage_return = take('\r');
    if (take('\n'))
      ++line_;
    else if (carriage_return)
      fail(csv_.file_, line_, "a carriage return without a line feed; lines end in LF or CRLF");
  }

  bool take(char c) {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found;
    return found;
  }

  std::string_view text_;
  Csv& csv_;
  std::size_t at_ = 0, line_ = 1;
};

Csv Csv::read(const std::filesystem::path& path, Header header) {
  const auto bytes = read_file(path);
  return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.native(), header);
}

Csv Csv::parse(std::string_view text, std::string_view file, Header header) {
  Csv csv;
  csv.file_ = file;
  Parser(text, csv).run();
  if (header == Header::none) return csv;
  if (csv.lines_.empty()) throw FormatError("[csv] {}: empty; allowed: a row of column names first", in_quotes(file));
  for (std::size_t c = 0; c < csv.columns_; ++c) {
    const std::string_view name = csv.text(0, c);
    if (std::find(csv.names_.begin(), csv.names_.end(), name) != csv.names_.end())
      fail(file, 1, "two columns are named {}", in_quotes(name));
    csv.names_.emplace_back(name);
  }
  csv.lines_.erase(csv.lines_.begin());
  csv.header_rows_ = 1;
  return csv;
}

std::size_t Csv::column(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  throw FormatError("[csv] {}: no column {}; the file has: {}", in_quotes(file_), in_quotes(name),
                    fmt::join(names_, ", "));
}

std::string_view Csv::text(std::size_t row, std::size_t column) const {
  const std::size_t field = (row + header_rows_) * columns_ + column;
  const std::size_t begin = field == 0 ? 0 : ends_.at(field - 1);
  return std::string_view(text_).substr(begin, ends_.at(field) - begin);
}

template <class T>
T Csv::parsed(std::size_t row, std::size_t column, const char* allowed) const {
  const std::string_view field = text(row, column);
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc{} && end == field.data() + field.size()) return value;
  const std::string name = names_.empty() ? fmt::format("{}", column) : in_quotes(names_[column]);
  fail(file_, line(row), "column {} has {}; allowed: {}", name, in_quotes(field), allowed);
}

double Csv::number(std::size_t row, std::size_t column) const {
  return parsed<double>(row, column, "a number as in -1.5e3, nan or inf, within the range of float64");
}

std::int64_t Csv::integer(std::size_t row, std::size_t column) const {
  return parsed<std::int64_t>(row, column, "an integer of at most 64 bits");
}

CsvWriter& CsvWriter::add(std::string_view text) {
  separate();
  if (text.find_first_of(",\"\r\n") == text.npos && !text.starts_with(byte_order_mark)) {
    text_ += text;
    return *this;
  }
  text_ += '"';
  for (char c : text) text_.append(c == '"' ? 2 : 1, c);
  text_ += '"';
  return *this;
}

CsvWriter& CsvWriter::add(double number) { return add(number_text(number)); }

CsvWriter& CsvWriter::add(std::int64_t number) { return add(fmt::format("{}", number)); }

CsvWriter& CsvWriter::add(std::uint64_t number) { return add(fmt::format("{}", number)); }

void CsvWriter::end_row() {
  if (columns_ == 0) columns_ = fields_;
  if (fields_ == 0 || fields_ != columns_)
    throw UsageError("[csv] a row of {} fields; allowed: {}", fields_,
                     columns_ == 0 ? "one or more" : fmt::format("{}, as in the first row", columns_));
  text_ += '\n';
  fields_ = 0;
}

void CsvWriter::separate() {
  if (fields_++ > 0) text_ += ',';
}

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), end};
}

}  // namespace weft
