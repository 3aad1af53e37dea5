// SPDX-License-Identifier: MIT

// held_cc: containers and objects that are held or lost.  Each truth stands where its
// blocks are made: kind, function, blocks, bytes.
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "held.h"

struct shape {
	virtual ~shape() = default;
	long values[4];
};
struct tagged {
	virtual ~tagged() = default;
	long tag;
};
// Its second base lies inside: a pointer to that is an interior one.
struct both : shape, tagged {
	long more[2];
};

std::vector<shape *> *shapes; // not destroyed at exit
tagged *second_base;
std::shared_ptr<both> *shared;

// truth: unreachable lost_vector 1 24
// truth: indirect fill_lost 1 800
__attribute__((noinline)) static void fill_lost(std::vector<long> *v)
{
	v->reserve(100);
}

__attribute__((noinline)) static void lost_vector()
{
	auto *v = new std::vector<long>;
	fill_lost(v);
	escape(v);
}

// The vector and its buffer are held, and what it points to.
__attribute__((noinline)) static void held_vector()
{
	shapes = new std::vector<shape *>;
	shapes->reserve(8);
	for (int i = 0; i < 8; i++)
		shapes->push_back(new shape);
}

// truth: unreachable forgotten 5 200
__attribute__((noinline)) static void forgotten()
{
	for (int i = 0; i < 5; i++)
		escape(new shape);
}

__attribute__((noinline)) static void interior()
{
	second_base = new both;
}

__attribute__((noinline)) static void control_block()
{
	shared = new std::shared_ptr<both>(std::make_shared<both>());
}

// A tree whose nodes point to each other, and a ring: cycles.
// truth: unreachable lost_list 1 24
__attribute__((noinline)) static void fill_list(std::list<long> *l)
{
	for (long i = 0; i < 20; i++)
		l->push_back(i);
}

__attribute__((noinline)) static void lost_list()
{
	auto *l = new std::list<long>;
	fill_list(l);
	escape(l);
}

int main()
{
	lost_vector();
	held_vector();
	forgotten();
	interior();
	control_block();
	lost_list();
	scrub();
	return 0;
}
