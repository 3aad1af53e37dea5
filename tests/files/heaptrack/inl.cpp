/* SPDX-License-Identifier: MIT */

/* One of the programs that the samples were recorded from; see README. */
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
namespace app
{
template <class T> struct Pool {
	std::vector<std::unique_ptr<T>> v;
	inline T *add(T t)
	{
		v.push_back(std::make_unique<T>(std::move(t)));
		return v.back().get();
	}
};
struct Item {
	std::string name;
	double w[7];
};
static inline Item make(int i)
{
	return Item{std::string("item-with-a-long-name-") + std::to_string(i), {}};
}
std::map<std::string, std::vector<int>> idx;
Pool<Item> *leaky;
__attribute__((noinline)) void fill(Pool<Item> &p, int n)
{
	for (int i = 0; i < n; i++) {
		Item *it = p.add(make(i));
		idx[it->name.substr(0, 24)].push_back(i);
	}
}
__attribute__((noinline)) int thrower(int i)
{
	if (i % 3 == 0)
		throw std::runtime_error("every third " + std::to_string(i));
	return i;
}
} // namespace app
int main()
{
	app::Pool<app::Item> local;
	app::fill(local, 500);
	app::leaky = new app::Pool<app::Item>;
	app::fill(*app::leaky, 120);
	int c = 0;
	for (int i = 0; i < 60; i++)
		try {
			c += app::thrower(i);
		} catch (const std::exception &e) {
			c += e.what()[0];
		}
	auto l = [](int k) { return std::string(static_cast<size_t>(k), 'x'); };
	size_t s = 0;
	for (int i = 0; i < 200; i++)
		s += l(40 + i).size();
	app::leaky = nullptr;
	std::printf("%d %zu %zu\n", c, s, app::idx.size());
}
