#include "weft/data/word_vectors.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include <Eigen/Dense>
#include <Eigen/SparseCore>

#include "weft/core/error.h"
#include "weft/core/random.h"

namespace weft {
namespace {

using Sparse = Eigen::SparseMatrix<double, Eigen::RowMajor>;  // symmetric
using Columns = Eigen::MatrixXd;

/// (I - 11^T/n) M (I - 11^T/n) x of every column.
Columns times(const Sparse& m, const Columns& x) {
  const Columns centred = x.rowwise() - x.colwise().mean();
  const Columns y = m * centred;
  return y.rowwise() - y.colwise().mean();
}

Columns orthonormal(const Columns& x) {
  return Eigen::HouseholderQR<Columns>(x).householderQ() * Columns::Identity(x.rows(), x.cols());
}

Sparse mutual_information(const std::vector<std::vector<std::int32_t>>& texts, std::size_t words, std::int64_t window) {
  std::vector<std::map<std::int32_t, double>> counts(words);
  for (const auto& text : texts)
    for (std::size_t i = 0; i < text.size(); ++i)
      for (std::size_t j = i + 1; j < text.size() && j <= i + static_cast<std::size_t>(window); ++j)
        if (text[i] >= 0 && text[j] >= 0) {
          ++counts[static_cast<std::size_t>(text[i])][text[j]];
          ++counts[static_cast<std::size_t>(text[j])][text[i]];
        }
  std::vector<double> of_word(words);
  for (std::size_t w = 0; w < words; ++w)
    for (const auto& [other, count] : counts[w]) of_word[w] += count;
  const double all = std::accumulate(of_word.begin(), of_word.end(), 0.);
  std::vector<Eigen::Triplet<double>> positive;
  for (std::size_t w = 0; w < words; ++w)
    for (const auto& [other, count] : counts[w]) {
      const double information = std::log(count * all / (of_word[w] * of_word[static_cast<std::size_t>(other)]));
      if (information <= 0) continue;
      positive.emplace_back(static_cast<int>(w), other, information);
    }
  const auto n = static_cast<Eigen::Index>(words);
  Sparse m(n, n);
  m.setFromTriplets(positive.begin(), positive.end());
  return m;
}

/// The leading eigenvectors, each times the root of its eigenvalue: [size, D].
Columns principal_components(const Sparse& m, Eigen::Index D) {
  const Eigen::Index more = std::min<Eigen::Index>(m.rows(), D + 8);
  Columns q(m.rows(), more);
  for (Eigen::Index i = 0; i < more; ++i)
    for (Eigen::Index k = 0; k < m.rows(); ++k)
      q(k, i) = normal(RandomKey(0, "word vectors").at(static_cast<std::uint64_t>(i)), static_cast<std::uint64_t>(k));
  q = orthonormal(q);
  for (int round = 0; round < 30; ++round) q = orthonormal(times(m, q));
  const Eigen::SelfAdjointEigenSolver<Columns> small(q.transpose() * times(m, q));
  std::vector<Eigen::Index> order(static_cast<std::size_t>(more));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](Eigen::Index i) { return std::abs(small.eigenvalues()[i]); });
  Columns out(m.rows(), D);
  for (Eigen::Index d = 0; d < D; ++d) {
    const Eigen::Index from = order[static_cast<std::size_t>(d)];
    out.col(d) = q * small.eigenvectors().col(from);
    Eigen::Index largest = 0;
    out.col(d).cwiseAbs().maxCoeff(&largest);
    out.col(d) *= std::copysign(std::sqrt(std::abs(small.eigenvalues()[from])), out(largest, d));
  }
  return out;
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(blanks); at != text.npos;) {
    const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(blanks, end);
  }
  return words;
}

WordVectors fit_word_vectors(const std::vector<std::string>& texts, std::int64_t D, std::int64_t least,
                             std::int64_t window) {
  std::map<std::string_view, std::int64_t> counts;
  for (const std::string& text : texts)
    for (std::string_view word : words_of(text)) ++counts[word];
  std::vector<std::pair<std::int64_t, std::string_view>> frequent;
  for (const auto& [word, count] : counts)
    if (count >= least) frequent.emplace_back(-count, word);
  std::sort(frequent.begin(), frequent.end());
  if (std::ssize(frequent) < D || D < 1)
    throw UsageError(
        "[word vectors] {} texts with {} words that occur {} times or more; allowed: as many words as a "
        "vector has numbers, {}, or more",
        texts.size(), frequent.size(), least, D);
  WordVectors result;
  for (const auto& [count, word] : frequent)
    result.places.emplace(word, static_cast<std::int32_t>(result.places.size()));

  std::vector<std::vector<std::int32_t>> numbers;
  for (const std::string& text : texts) {
    numbers.emplace_back();
    for (std::string_view word : words_of(text)) {
      const auto found = result.places.find(std::string(word));
      numbers.back().push_back(found == result.places.end() ? -1 : found->second);
    }
  }
  const auto words = static_cast<std::int64_t>(frequent.size());
  const Columns components = principal_components(mutual_information(numbers, frequent.size(), window), D);
  const double square = components.squaredNorm();
  const double scale = square > 0 ? std::sqrt(static_cast<double>(words * D) / square) : 0;
  result.vectors = Tensor::zeros({words, D}, DType::f32);
  for (std::int64_t w = 0; w < words; ++w)
    for (std::int64_t d = 0; d < D; ++d)
      result.vectors.data<float>()[w * D + d] = static_cast<float>(scale * components(w, d));
  return result;
}

}  // namespace weft
