#!/usr/bin/env python3
"""W1 on the peer: DuckDB's Python package, Parquet out, or with delta-rs (deltalake) for silver and gold.
usage: peer_duckdb.py parquet|delta IN.ndjson OUTDIR [check]     2 threads
Prints STAGE, CHECK and TIMES lines, as w1.c does."""
import sys,time,json,os,shutil
T0=time.time()
import duckdb
mode,src,out=sys.argv[1:4]
if mode=="delta":
    from deltalake import write_deltalake, DeltaTable
shutil.rmtree(out,ignore_errors=True); os.makedirs(out)
c=duckdb.connect(); c.execute("SET threads=2; SET TimeZone='UTC'; SET preserve_insertion_order=false; SET temp_directory='%s/spill'"%out)
T={"import":round(time.time()-T0,2)}
class st:
    def __init__(s,n): s.n=n
    def __enter__(s): s.t=time.time()
    def __exit__(s,*a): T[s.n]=round(time.time()-s.t,2); print("STAGE",s.n,T[s.n],flush=True)
cols="event_id event_type user_id session_id timestamp page_url device country".split()
with st("bronze"):
    c.execute("COPY (SELECT *, try_cast(substr(timestamp,1,10) AS DATE) AS event_date FROM read_json('%s',format='newline_delimited',ignore_errors=true,columns={%s,properties:'JSON'})) TO '%s/bronze' (FORMAT parquet,COMPRESSION snappy,PARTITION_BY (event_date))"%(src,",".join(k+":'VARCHAR'" for k in cols),out))
TYPES="('page_view','product_view','search','add_to_cart','remove_from_cart','checkout_start','purchase','login','logout','signup','review')"
c.execute("""CREATE VIEW typed AS SELECT *, CASE WHEN event_id IS NULL THEN 'no_event_id' WHEN user_id IS NULL OR session_id IS NULL THEN 'missing_field' WHEN event_ts IS NULL THEN 'bad_timestamp'
 WHEN coalesce(event_type NOT IN %s,true) THEN 'bad_type' WHEN event_type IN ('product_view','add_to_cart','remove_from_cart','purchase') AND (price IS NULL OR product_id IS NULL) THEN 'bad_price' END AS reason FROM (
 SELECT * EXCLUDE(properties, event_date), try_cast(timestamp AS TIMESTAMP) AS event_ts,
  p[1] AS product_id, p[2] AS category, try_cast(p[3] AS DOUBLE) AS price, try_cast(p[4] AS INTEGER) AS quantity, try_cast(p[5] AS DECIMAL(18,2)) AS total, p[6] AS query, p[7] AS order_id, try_cast(p[8] AS INTEGER) AS rating, properties, event_date
 FROM (SELECT *, json_extract_string(properties,['$.product_id','$.category','$.price','$.quantity','$.total','$.query','$.order_id','$.rating']) AS p FROM read_parquet('%s/bronze/*/*.parquet',hive_partitioning=true)))"""%(TYPES,out))
SIL="""SELECT DISTINCT ON (event_id) event_id,event_type,user_id,session_id,event_ts,page_url,device,country,product_id,category,price,quantity,total,query,order_id,rating,properties::VARCHAR AS properties,
 sha256(concat_ws('|',event_id,event_type,user_id,session_id,timestamp,page_url,device,country,properties)) AS record_hash, event_ts::DATE AS event_date FROM typed WHERE reason IS NULL"""
QUA="SELECT event_id,event_type,user_id,timestamp,properties::VARCHAR AS properties,reason FROM typed WHERE reason IS NOT NULL"
G={"hourly":(["event_date","hour","event_type"],"SELECT event_date, hour(event_ts)::INTEGER AS hour, event_type, count(*) AS events, count(DISTINCT user_id) AS users FROM silver GROUP BY ALL"),
 "funnel":(["event_date"],"SELECT *, purchases/views AS conversion FROM (SELECT event_date, "+",".join("count(DISTINCT session_id) FILTER (event_type='%s') AS %s"%x for x in (("product_view","views"),("add_to_cart","carts"),("checkout_start","checkouts"),("purchase","purchases")))+" FROM silver GROUP BY ALL)"),
 "revenue":(["event_date","country","category"],"SELECT event_date,country,category,count(*) AS orders,sum(quantity)::BIGINT AS units,sum(total) AS revenue FROM silver WHERE event_type='purchase' GROUP BY ALL")}
def rd(q): return c.sql(q).to_arrow_reader(122880)
if mode=="parquet":
    with st("silver"): c.execute("COPY (%s) TO '%s/silver' (FORMAT parquet,COMPRESSION snappy,PARTITION_BY (event_date))"%(SIL,out))
    with st("quarantine"): c.execute("COPY (%s) TO '%s/quarantine.parquet' (FORMAT parquet,COMPRESSION snappy)"%(QUA,out))
    c.execute("CREATE VIEW silver AS SELECT * FROM read_parquet('%s/silver/*/*.parquet',hive_partitioning=true)"%out)
    with st("gold"):
        for k,(_,q) in G.items(): c.execute("COPY (%s) TO '%s/gold_%s.parquet' (FORMAT parquet,COMPRESSION snappy)"%(q,out,k))
    for k in G: c.execute("CREATE VIEW gold_%s AS SELECT * FROM '%s/gold_%s.parquet'"%(k,out,k))
    c.execute("CREATE VIEW quarantine AS SELECT * FROM '%s/quarantine.parquet'"%out)
else:
    with st("silver"): write_deltalake(out+"/silver",rd(SIL),partition_by=["event_date"],mode="overwrite")
    with st("quarantine"): write_deltalake(out+"/quarantine",rd(QUA),mode="overwrite")
    def view(n): 
        c.execute("CREATE OR REPLACE VIEW %s AS SELECT * FROM read_parquet(%r,hive_partitioning=true)"%(n,DeltaTable(out+"/"+n).file_uris()))
    def gold():
        view("silver")
        for k,(keys,q) in G.items():
            p=out+"/gold_"+k
            if not DeltaTable.is_deltatable(p): write_deltalake(p,rd("SELECT * FROM (%s) LIMIT 0"%q))
            (DeltaTable(p).merge(source=rd(q),predicate=" AND ".join("t.%s=s.%s"%(x,x) for x in keys),source_alias="s",target_alias="t")
              .when_matched_update_all().when_not_matched_insert_all().execute())
    with st("gold"): gold()
    with st("gold_remerge"): gold()
T["total_in_job"]=round(time.time()-T0,2)
if len(sys.argv)>4:
    if mode=="delta":
        for n in ("quarantine","gold_hourly","gold_funnel","gold_revenue"): view(n)
    f=lambda q: [list(map(str,r)) for r in c.sql(q).fetchall()]
    print("CHECK",json.dumps(dict(silver=f("select count(*) from silver"),quarantine=f("select count(*) from quarantine"),hourly=f("select sum(events),sum(users),count(*) from gold_hourly"),
      funnel=f("select event_date,views,carts,checkouts,purchases,conversion from gold_funnel order by 1"),revenue=f("select sum(revenue) from gold_revenue"),hashx=f("select min(record_hash),max(record_hash) from silver"))))
print("TIMES",json.dumps(T))
