#include "weft/core/error.h"
#include "weft/io/csv.h"

// Any text is a table or throws FormatError; a table that is written and read again has the same fields, and a number
// that parses is written so that it parses as the same.

namespace {

using namespace weft;

std::string written(const Csv& csv) {
  CsvWriter out;
  for (const auto& name : csv.names()) out.add(name);
  if (!csv.names().empty()) out.end_row();
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    for (std::size_t c = 0; c < csv.columns(); ++c) out.add(csv.text(r, c));
    out.end_row();
  }
  return out.text();
}

void check_number(const Csv& csv, std::size_t row, std::size_t column) {
  double number;
  try {
    number = csv.number(row, column);
  } catch (const FormatError&) {
    return;
  }
  const double back = Csv::parse(number_text(number), "number", Csv::Header::none).number(0, 0);
  if (back != number && number == number) __builtin_trap();
}

void check(std::string_view text, Csv::Header header) {
  const Csv csv = Csv::parse(text, "input", header), again = Csv::parse(written(csv), "written", header);
  if (again.rows() != csv.rows() || again.names() != csv.names()) __builtin_trap();
  for (std::size_t r = 0; r < csv.rows(); ++r)
    for (std::size_t c = 0; c < csv.columns(); ++c) {
      if (again.text(r, c) != csv.text(r, c)) __builtin_trap();
      check_number(csv, r, c);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto header : {Csv::Header::none, Csv::Header::first_row}) try {
      check({reinterpret_cast<const char*>(data), size}, header);
    } catch (const FormatError&) {}
  return 0;
}
