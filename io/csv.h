#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A table of text as RFC 4180 has it: fields between commas, each bare or in quotes; inside quotes commas and line
/// breaks are text, and "" is one quote. Lines end in LF or CRLF, the last may do without. All rows have the same
/// number of fields. The bytes of a field are kept as they are; a byte order mark before the first is dropped.
class Csv {
 public:
  enum class Header : std::uint8_t { none, first_row };

  /// Reads a file, plain or gzip. Throws DiskError; FormatError, with the line, for what is not such a table: a quote
  /// inside a bare field, text behind a closing quote, a quote that is never closed, a carriage return without a line
  /// feed, rows of different lengths, no header or two columns of one name in it.
  static Csv read(const std::filesystem::path& path, Header header);
  /// The same for text in memory; `file` names it in messages.
  static Csv parse(std::string_view text, std::string_view file, Header header);

  /// Without the header.
  std::size_t rows() const { return lines_.size(); }
  std::size_t columns() const { return columns_; }
  /// Empty without a header.
  const std::vector<std::string>& names() const { return names_; }
  /// The position of a column by name; throws FormatError naming the columns there are.
  std::size_t column(std::string_view name) const;

  std::string_view text(std::size_t row, std::size_t column) const;
  /// A field as a number, in the notation of C whatever the locale is: "-1.5e3", "nan", "inf". They throw FormatError,
  /// with line and column, for any other text, for blanks around a number, and for one that is out of range.
  double number(std::size_t row, std::size_t column) const;
  std::int64_t integer(std::size_t row, std::size_t column) const;
  /// The line on which the row begins, the first being 1: for messages.
  std::size_t line(std::size_t row) const { return lines_[row]; }

 private:
  class Parser;
  template <class T>
  T parsed(std::size_t row, std::size_t column, const char* allowed) const;

  std::string file_;
  std::vector<std::string> names_;
  std::string text_;               ///< all fields, unquoted, one after the other
  std::vector<std::size_t> ends_;  ///< of each field in text_
  std::vector<std::size_t> lines_;
  std::size_t columns_ = 0, header_rows_ = 0;
};

/// The shortest text that reads back as the same number, in the notation of C; "nan" for every NaN.
std::string number_text(double number);

/// The text of such a table, row by row. Lines end in LF. The same fields give the same bytes, and Csv reads back what
/// was written: numbers as number_text gives them.
class CsvWriter {
 public:
  CsvWriter& add(std::string_view text);
  CsvWriter& add(const char* text) { return add(std::string_view(text)); }
  CsvWriter& add(double number);
  CsvWriter& add(std::int64_t number);
  CsvWriter& add(std::uint64_t number);
  /// Throws UsageError for a row that has another number of fields than the first, or none.
  void end_row();

  const std::string& text() const { return text_; }

 private:
  void separate();

  std::string text_;
  std::size_t columns_ = 0, fields_ = 0;
};

}  // namespace weft
