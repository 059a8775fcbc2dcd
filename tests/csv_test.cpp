#include "weft/io/csv.h"

#include <bit>
#include <clocale>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

Csv parse(std::string_view text, Csv::Header header = Csv::Header::none) { return Csv::parse(text, "file", header); }

std::string error(std::string_view text, Csv::Header header = Csv::Header::none) {
  return message_of<FormatError>([&] { parse(text, header); });
}

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const Csv& csv) {
  Rows rows(csv.rows());
  for (std::size_t r = 0; r < csv.rows(); ++r)
    for (std::size_t c = 0; c < csv.columns(); ++c) rows[r].emplace_back(csv.text(r, c));
  return rows;
}

std::string written(const Rows& rows) {
  CsvWriter out;
  for (const auto& row : rows) {
    for (const auto& field : row) out.add(field);
    out.end_row();
  }
  return out.text();
}

/// Text of the characters that matter, commas and quotes among them.
std::string random_field(RandomKey key) {
  static constexpr std::string_view letters = "ab ,\"\r\n\t;\xc3\xbc'";
  std::string text;
  const auto length = static_cast<std::size_t>(uniform_index(key, 0, 7));
  for (std::size_t i = 0; i < length; ++i)
    text += letters[static_cast<std::size_t>(uniform_index(key, i + 1, static_cast<std::int64_t>(letters.size())))];
  return uniform_index(key, 20, 20) == 0 ? "\xef\xbb\xbf" + text : text;
}

/// Any finite or infinite float64, all exponents alike.
double random_number(RandomKey key) {
  const auto half = [&](std::uint64_t i) { return static_cast<std::uint64_t>(uniform_index(key, i, 1LL << 32)); };
  return std::bit_cast<double>(half(0) << 32 | half(1));
}

}  // namespace

TEST_CASE("CSV: any table that is written is read back, byte for byte, also from CRLF and from gzip") {
  const TemporaryFolder folder;
  for (std::uint64_t n = 0; n < 300; ++n) {
    INFO(n);
    const RandomKey key = RandomKey(n, "csv_test");
    Rows rows(static_cast<std::size_t>(uniform_index(key, 0, 6)));
    const auto columns = static_cast<std::size_t>(1 + uniform_index(key, 1, 4));
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::size_t c = 0; c < columns; ++c) rows[r].push_back(random_field(key.at(r).at(c)));
    const std::string text = written(rows);
    CHECK(rows_of(parse(text)) == rows);
    CHECK(written(rows_of(parse(text))) == text);
    write_text(folder / "gz", compress(text));
    CHECK(rows_of(Csv::read(folder / "gz", Csv::Header::none)) == rows);
  }
  CHECK(rows_of(parse("a,b\r\nc,\"d\r\n\"\r\n")) == Rows{{"a", "b"}, {"c", "d\r\n"}});
  CHECK(rows_of(parse("a\n\nb")) == Rows{{"a"}, {""}, {"b"}});
  CHECK(rows_of(parse("\"\"\"\",")) == Rows{{"\"", ""}});
  CHECK(rows_of(parse("\xef\xbb\xbf\"a\"")) == Rows{{"a"}});
  CHECK(parse("").rows() == 0);
}

TEST_CASE("CSV: numbers come back as the same bits, in the shortest text, whatever the locale") {
  // A locale with a decimal comma, where the machine has one; from_chars and to_chars must not see it.
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string saved = before ? before : "C";
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, name)) break;
  CsvWriter out;
  std::vector<double> numbers{0.1, -0.0, 1e300, 5e-324, std::numeric_limits<double>::infinity(), 100, 1e23};
  for (std::uint64_t n = 0; n < 2000; ++n) numbers.push_back(random_number(RandomKey(n, "csv_test numbers")));
  for (double number : numbers) {
    out.add(number);
    out.end_row();
  }
  const Csv csv = parse(out.text());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double back = csv.number(i, 0);
    if (std::isnan(numbers[i])) {
      CHECK(csv.text(i, 0) == "nan");
      CHECK(std::isnan(back));
    } else {
      CHECK(std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(numbers[i]));
    }
  }
  std::setlocale(LC_ALL, saved.c_str());
  CHECK(out.text().starts_with("0.1\n-0\n1e+300\n5e-324\ninf\n100\n1e+23\n"));

  CsvWriter integers;
  integers.add(std::numeric_limits<std::int64_t>::min()).add(std::numeric_limits<std::uint64_t>::max());
  integers.end_row();
  CHECK(integers.text() == "-9223372036854775808,18446744073709551615\n");
  CHECK(parse(integers.text()).integer(0, 0) == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("CSV: columns are found by name") {
  const Csv csv = parse("id,\"a,b\"\n7,x\n", Csv::Header::first_row);
  CHECK(csv.names() == std::vector<std::string>{"id", "a,b"});
  CHECK(csv.rows() == 1);
  CHECK(csv.line(0) == 2);
  CHECK(csv.text(0, csv.column("a,b")) == "x");
  CHECK(csv.integer(0, csv.column("id")) == 7);
  CHECK(message_of<FormatError>([&] { csv.column("c"); }) == "[csv] 'file': no column 'c'; the file has: id, a,b");
  CHECK(parse("id\n", Csv::Header::first_row).rows() == 0);
}

TEST_CASE("CSV: every rule has its own message, word for word") {
  CHECK(error("a,b\nc\n") == "[csv] 'file', line 2: 1 fields; allowed: 2, as in the first row");
  CHECK(error("a,b\n\"\n\n\",c\nd,e,f") == "[csv] 'file', line 5: 3 fields; allowed: 2, as in the first row");
  CHECK(error("a\nb\"c\"\n") ==
        "[csv] 'file', line 2: a quote inside a bare field; put the whole field in quotes and write the quote twice");
  CHECK(error("a\n\"b\n\n") == "[csv] 'file', line 2: a quote is opened and never closed");
  CHECK(error("\"") == "[csv] 'file', line 1: a quote is opened and never closed");
  CHECK(error("\"a\nb\"c") ==
        "[csv] 'file', line 2: text behind a closing quote; allowed: a comma or the end of the line");
  CHECK(error("a\rb") == "[csv] 'file', line 1: a carriage return without a line feed; lines end in LF or CRLF");
  CHECK(error("", Csv::Header::first_row) == "[csv] 'file': empty; allowed: a row of column names first");
  CHECK(error("a,b,a", Csv::Header::first_row) == "[csv] 'file', line 1: two columns are named 'a'");
}

TEST_CASE("CSV: text that is no number is refused, with line and column") {
  const Csv csv = parse("x,n\n 1,1.5\n1e999,9223372036854775808\n\"1,5\",\n+1,0x10\n", Csv::Header::first_row);
  const auto number = [&](std::size_t row) { return message_of<FormatError>([&] { csv.number(row, 0); }); };
  const auto integer = [&](std::size_t row) { return message_of<FormatError>([&] { csv.integer(row, 1); }); };
  const std::string a_number = "'; allowed: a number as in -1.5e3, nan or inf, within the range of float64";
  const std::string an_integer = "'; allowed: an integer of at most 64 bits";
  CHECK(number(0) == "[csv] 'file', line 2: column 'x' has ' 1" + a_number);
  CHECK(number(1) == "[csv] 'file', line 3: column 'x' has '1e999" + a_number);
  CHECK(number(2) == "[csv] 'file', line 4: column 'x' has '1,5" + a_number);
  CHECK(number(3) == "[csv] 'file', line 5: column 'x' has '+1" + a_number);
  CHECK(integer(0) == "[csv] 'file', line 2: column 'n' has '1.5" + an_integer);
  CHECK(integer(1) == "[csv] 'file', line 3: column 'n' has '9223372036854775808" + an_integer);
  CHECK(integer(2) == "[csv] 'file', line 4: column 'n' has '" + an_integer);
  CHECK(integer(3) == "[csv] 'file', line 5: column 'n' has '0x10" + an_integer);
  CHECK(message_of<FormatError>([&] { parse("a").number(0, 0); }) ==
        "[csv] 'file', line 1: column 0 has 'a" + a_number);
}

TEST_CASE("CSV: the writer refuses rows of different lengths") {
  CsvWriter out;
  CHECK(message_of<UsageError>([&] { out.end_row(); }) == "[csv] a row of 0 fields; allowed: one or more");
  out.add("a").add("b");
  out.end_row();
  out.add("c");
  CHECK(message_of<UsageError>([&] { out.end_row(); }) == "[csv] a row of 1 fields; allowed: 2, as in the first row");
}

TEST_CASE("AG News is read") {
  const DataFolder news("WEFT_AG_NEWS_DIR", "../shared/data/ag_news");
  if (!news.asked_for && files_in(news.path).empty()) {
    MESSAGE("skipped: no AG News in " << news.path.string());
    return;
  }
  const Csv csv = Csv::read(news.path / "test.csv.gz", Csv::Header::none);
  CHECK(csv.rows() == 7600);
  CHECK(csv.columns() == 3);
  std::vector<int> counts(5);
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    ++counts.at(static_cast<std::size_t>(csv.integer(r, 0)));
    CHECK(!csv.text(r, 2).empty());
  }
  CHECK(counts == std::vector<int>{0, 1900, 1900, 1900, 1900});
  CHECK(csv.text(0, 1) == "Fears for T N pension after talks");
  CHECK(rows_of(parse(written(rows_of(csv)))) == rows_of(csv));
}
