#pragma once
// Settings as data: one list says what a model, a training or a zoo can be told, and command lines, files and checks
// follow from it.

#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

using SettingValue = std::variant<bool, std::int64_t, double, std::string>;
/// As people write it: "true", "20", "0.001", "linear".
std::string str(const SettingValue& value);

/// One line of such a list.
struct Setting {
  std::string name;  ///< "equivariant_layers"; of the command line --equivariant-layers
  std::string text;  ///< what it is: "number of its equivariant layers"
  SettingValue usual;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  std::string why{};                   ///< not beyond
  std::vector<std::string> allowed{};  ///< of a text
};

/// Values of a list, the usual ones at first.
class Settings {
 public:
  using Given = std::initializer_list<std::pair<std::string_view, SettingValue>>;

  Settings() = default;
  /// `who` stands in messages: "model 'magep'". Throws what set() throws.
  Settings(std::string who, std::vector<Setting> list, Given given = {});

  /// Throws UsageError for a name that the list lacks (naming those there are), a value of another kind, or one that is
  /// not allowed. A whole number is taken for a number.
  void set(std::string_view name, const SettingValue& value);
  bool has(std::string_view name) const;

  /// Throw UsageError for a name that the list lacks, or a value of another kind.
  bool flag(std::string_view name) const { return value_as<bool>(name); }
  std::int64_t whole(std::string_view name) const { return value_as<std::int64_t>(name); }
  double number(std::string_view name) const { return value_as<double>(name); }
  const std::string& text(std::string_view name) const { return value_as<std::string>(name); }
  /// Throws UsageError for a name that the list lacks.
  const SettingValue& value(std::string_view name) const { return values_[position(name)]; }

  const std::vector<Setting>& list() const { return list_; }

 private:
  std::size_t position(std::string_view name) const;
  template <class T>
  const T& value_as(std::string_view name) const;

  std::string who_;
  std::vector<Setting> list_;
  std::vector<SettingValue> values_;
};

}  // namespace weft
