-- How often each candidate's attempts ended by each word that is not `ok`, most often first.
select route, upstream_model, word, count(*) as attempts
from attempts
where outcome <> 'ok'
group by all
order by attempts desc, word;
