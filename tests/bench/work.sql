.output /dev/null
create table t(id integer primary key, k text, v real, g int);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 400000)
  insert into t select i, 'key-' || (i * 7919 % 1000003) || '-' || hex(i), i * 1.5, i % 997 from c;
create index ik on t(k);
create index ig on t(g, v);
select g, count(*), sum(v), min(k), max(k), group_concat(id) from t group by g;
select a.k, count(*) from t a join t b on b.g = a.g and b.id = a.id + 997
  group by substr(a.k, 1, 6) order by 2 desc limit 50;
select json_group_array(json_object('k', k, 'v', v)) from t where g < 40;
update t set k = upper(k) where id % 3 = 0;
delete from t where id % 5 = 0;
select count(distinct k), total(v) from t;
