#include "weft/networks/files/nearest_text.h"

#include <algorithm>
#include <limits>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {
namespace {

std::string few(const std::vector<std::string>& all, bool quoted) {
  constexpr std::size_t most = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i)
    text += (i ? ", " : "") + (quoted ? in_quotes(all[i]) : all[i]);
  return all.size() > most ? fmt::format("{} and {} more", text, all.size() - most) : text;
}

/// "n_embd = 7, its tensors say 12" of the size without which the text fits, or nothing.
std::optional<std::string> wrong_size(const StoredNetwork& network, const ArchitectureText& text) {
  const Json::Object& members = *network.config.object();
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& [key, value] = members[i];
    if (!value.number()) continue;
    Json::Object others = members;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    StoredNetwork without{network.tensors, std::move(others), network.equal};
    ArchitectureDifference unused;
    const auto found = fitted(without, text, unused);
    if (found && found->told.contains(key))
      return fmt::format("{} = {}, its tensors say {}", key, value.dump(), found->told.at(key).dump());
  }
  return {};
}

}  // namespace

std::string ArchitectureDifference::str() const {
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back("the file lacks " + few(missing, true));
  if (!extra.empty())
    parts.push_back(
        fmt::format("{} has {}, which the text has not", missing.empty() ? "the file" : "it", few(extra, true)));
  if (!shapes.empty()) parts.push_back(few(shapes, false));
  if (!open.empty()) parts.push_back(open);
  return fmt::format("{}", fmt::join(parts, "; "));
}

void NearestText::add(const ArchitectureText& text, std::optional<std::size_t> unlike,
                      ArchitectureDifference difference) {
  ++texts_;
  // A text that requires no name is like any file.
  if (!unlike || text.parsed().required().empty())
    unlike = difference.unread
                 ? std::numeric_limits<std::size_t>::max()
                 : distinct_but_for_digits(difference.missing) + distinct_but_for_digits(difference.extra);
  if (text_ && (*unlike != unlike_ ? *unlike > unlike_ : !difference.nearer_than(difference_))) return;
  text_ = &text;
  unlike_ = *unlike;
  difference_ = std::move(difference);
}

void NearestText::fail() const {
  if (!text_) throw UsageError("[architecture] no text to compare with");
  if (const auto size = wrong_size(network_, *text_))
    throw FormatError("[architecture] the file has the tensors of '{}', but its config says {}", text_->name, *size);
  if (difference_.unread)
    throw FormatError("[architecture] the text of '{}' cannot be expanded for this file: {}", text_->name,
                      difference_.open);
  if (difference_.count() == 0)
    throw FormatError("[architecture] the file has the tensors of '{}', but {}", text_->name, difference_.open);
  if (texts_ == 1) throw FormatError("[architecture] the file does not fit '{}': {}", text_->name, difference_.str());
  const auto weights = std::ranges::count_if(network_.tensors, &StoredTensor::is_weight);
  if (std::ssize(difference_.extra) == weights)
    throw FormatError("[architecture] the file fits no architecture, and no text has its names: {}",
                      few(difference_.extra, true));
  throw FormatError("[architecture] the file fits no architecture; nearest is '{}': {}", text_->name,
                    difference_.str());
}

}  // namespace weft
